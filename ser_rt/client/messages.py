"""`read`: the messages of a server, and `Ready`, the first of them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ser_rt.constants import GATE_THRESHOLD, HALF_LIFE_S
from ser_rt.errors import ServerError


@dataclass(frozen=True, slots=True)
class Ready:
    """The server's description of itself, when it is ready for audio.

    Attributes:
        name: Name of its model.
        version: Version of its model.
        provider: Where the model runs: ``cpu``, ``cuda``, ...
        precision: ``fp32``, ``int8``, ...
        labels: English names of the emotions.
        session: Id of the connection, also in the server's log.
        window_s: Length of a full window in seconds.
        hop_s: Time from one result to the next in seconds.
        notice: What to show to users about the model, if anything.
        dimensions: What the model also rates, such as ``arousal``.
        streaming: Whether each hop is computed once, with caches, or whole windows.
        half_life_s: Of smoothing, in this stream.
        gate_threshold: Share of a window that must be speech, in this stream.
    """

    name: str
    version: str
    provider: str
    precision: str
    labels: tuple[str, ...]
    session: str
    window_s: float
    hop_s: float
    notice: str | None = None
    dimensions: tuple[str, ...] = ()
    streaming: bool = False
    half_life_s: float = HALF_LIFE_S
    gate_threshold: float = GATE_THRESHOLD

    @classmethod
    def of(cls, message: Mapping[str, Any]) -> Ready:
        """Read a ``ready`` message.

        Raises:
            ServerError: It is none.
        """
        with as_the_protocol_has_it(message):
            own = {key: message[key] for key in cls.__slots__ if key in message}
            labels = tuple(label["en"] for label in message["labels"])
            lists = {"labels": labels, "dimensions": tuple(message.get("dimensions", ()))}
            return cls(**message["model"], **own | lists)


PASSING = {"server_full", "not_ready", "shutting_down", "session_too_long", "idle_timeout"}
"""Codes of errors that another connection may not have."""


class LostError(ServerError):
    """The connection is lost; another one may succeed."""


def read(text: str) -> dict[str, Any]:
    """Return a message of a server.

    Raises:
        LostError: It is an ``error`` that passes by itself.
        ServerError: It is another one, or no message of the protocol.
    """
    try:
        message: dict[str, Any] = json.loads(text)
        is_error = message["type"] == "error"
    except (ValueError, KeyError, TypeError) as error:
        raise _strange(text) from error
    if is_error:
        msg = f"{message.get('code')}: {message.get('message')}"
        raise LostError(msg) if message.get("code") in PASSING else ServerError(msg)
    return message


@contextmanager
def as_the_protocol_has_it(message: object) -> Iterator[None]:
    """Raise `ServerError` where a message lacks what is read of it, or has something else there."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _strange(json.dumps(message)) from error


def _strange(text: str) -> ServerError:
    return ServerError(f"the server does not speak this protocol: {text[:80]!r}")
