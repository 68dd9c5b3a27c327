"""`Adapter`, the interface of one, and what they share: JSON, base64, settings as text."""

from __future__ import annotations

import base64
import binascii
import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from ser_rt.server.protocol import ProtocolError
from ser_rt.server.settings_text import QUERY, settings_of

Message = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Reply:
    """A message that an adapter answers by itself."""

    message: Message


Translated = Message | bytes | Reply
"""A message of ``/v1/stream``, audio, or an answer."""


class Adapter(ABC):
    """Translates one connection.

    Attributes:
        path: Where it is served.
        about: What it takes, for the error of a client that sends something else.
        ids: Of the call, for those who listen to it on other connections.
        is_quiet: Whether the client itself is told nothing but errors.
    """

    path: ClassVar[str]
    about: ClassVar[str]
    ids: tuple[str, ...] = ()
    is_quiet: bool = False

    @abstractmethod
    def open(self, query: Mapping[str, str]) -> Iterator[Translated]:
        """Yield what a connection with some query parameters begins with.

        Raises:
            ProtocolError: A parameter is unfit.
        """

    @abstractmethod
    def take(self, received: str | bytes) -> Iterator[Translated]:
        """Yield what a message of the client stands for.

        Raises:
            ProtocolError: It is none of this protocol.
        """

    @abstractmethod
    def give(self, message: Message) -> Iterator[Message]:
        """Yield what the client is told instead of a message of ``/v1/stream``."""

    def parsed(self, received: str | bytes, key: str) -> Message:
        """Return a text message, a JSON object with a text under ``key``.

        Raises:
            ProtocolError: It is something else.
        """
        if isinstance(received, bytes):
            msg = f"{self.path} takes {self.about}, not binary messages"
            raise ProtocolError(msg, "bad_message")
        try:
            message = json.loads(received)
        except (ValueError, RecursionError) as error:
            msg = f"{self.path} takes {self.about}, and this is no JSON: {error}"
            raise ProtocolError(msg, "bad_json") from error
        if not isinstance(message, dict) or not isinstance(message.get(key), str):
            msg = f"{self.path} takes {self.about}; ser-rt's own protocol is at /v1/stream"
            raise ProtocolError(msg, "bad_message")
        return message

    def unknown(self, kind: str) -> ProtocolError:
        """Return the error of a message that is of no kind that there is."""
        msg = f"{self.path} takes {self.about}, not {kind[:80]!r}; see docs/server.md"
        return ProtocolError(msg, "bad_message")


def decoded(payload: object, name: str) -> bytes:
    """Return the bytes of a base64 text.

    Raises:
        ProtocolError: It is none, or there is nothing in it.
    """
    if not isinstance(payload, str) or not payload:
        msg = f"{name} must be audio in base64, not {str(payload)[:40]!r}"
        raise ProtocolError(msg, "bad_audio")
    try:
        return base64.b64decode(payload, validate=True)
    except (binascii.Error, ValueError) as error:
        msg = f"{name} is no base64 ({error}): {payload[:40]!r}"
        raise ProtocolError(msg, "bad_audio") from error


def read_settings(given: Mapping[str, str], path: str) -> Message:
    """Return settings of ``config`` from texts, such as query parameters.

    Raises:
        ProtocolError: One is unknown, or has no such value.
    """
    for name in given:
        if name not in QUERY:
            msg = f"{path} has no setting {name[:80]!r}; there are {', '.join(QUERY)}"
            raise ProtocolError(msg, "bad_config")
    return settings_of(given.items())
