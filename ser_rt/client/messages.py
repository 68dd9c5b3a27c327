"""`read`: the messages of a server, and `Ready`, the first of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

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

    @classmethod
    def of(cls, message: Mapping[str, Any]) -> Ready:
        """Read a ``ready`` message."""
        own = {key: message[key] for key in cls.__slots__ if key in message}
        labels = tuple(label["en"] for label in message["labels"])
        lists = {"labels": labels, "dimensions": tuple(message.get("dimensions", ()))}
        return cls(**message["model"], **own | lists)


def read(text: str) -> dict[str, Any]:
    """Return a message of a server.

    Raises:
        ServerError: It is an ``error``, or no message of the protocol.
    """
    try:
        message: dict[str, Any] = json.loads(text)
        is_error = message["type"] == "error"
    except (ValueError, KeyError, TypeError) as error:
        msg = f"the server does not speak this protocol: {text[:80]!r}"
        raise ServerError(msg) from error
    if is_error:
        msg = f"{message.get('code')}: {message.get('message')}"
        raise ServerError(msg)
    return message
