"""`RealtimeAdapter`: audio as OpenAI's Realtime API takes it, ``input_audio_buffer.append``.

As of https://platform.openai.com/docs/api-reference/realtime-client-events: ``session.update``,
``input_audio_buffer.append``, ``.commit`` and ``.clear``. There are no responses of a model that
speaks; results are ``ser.emotion``, ``ser.turn`` and the like.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ser_rt.server.adapters.base import Adapter, Message, Reply, Translated, decoded, read_settings
from ser_rt.server.protocol import ProtocolError

FORMATS = {
    "pcm16": ("pcm_s16le", 24_000),
    "audio/pcm": ("pcm_s16le", 24_000),
    "g711_ulaw": ("pcm_mulaw", 8_000),
    "audio/pcmu": ("pcm_mulaw", 8_000),
    "g711_alaw": ("pcm_alaw", 8_000),
    "audio/pcma": ("pcm_alaw", 8_000),
}
"""Encoding and rate of each format, by its old and its new name."""


class RealtimeAdapter(Adapter):
    """Translates one connection."""

    path = "/v1/realtime"
    about = "session.update and input_audio_buffer.append, .commit or .clear as their 'type'"

    def __init__(self) -> None:
        self._format = FORMATS["pcm16"]
        self._settings: Message = {}
        self._has_config = self._is_clearing = False
        self._buffered = self._items = self._events = 0

    def open(self, query: Mapping[str, str]) -> Iterator[Translated]:
        """Yield the greeting; the config waits for the first message, which may change it."""
        given = {name: value for name, value in query.items() if name not in {"token", "model"}}
        self._settings = read_settings(given, self.path)
        yield Reply(self._event("session.created", session=self._session()))

    def take(self, received: str | bytes) -> Iterator[Translated]:
        """Yield what an event of the client stands for."""
        message = self.parsed(received, "type")
        kind = message["type"]
        if kind == "session.update":
            self._update(message.get("session"))
            yield from self._config()
            yield Reply(self._event("session.updated", session=self._session()))
        elif kind == "input_audio_buffer.append":
            audio = decoded(message.get("audio"), "audio of append")
            self._buffered += len(audio)
            yield from self._config()
            yield audio
        elif kind == "input_audio_buffer.commit":
            if self._buffered:
                self._buffered = 0
                yield {"type": "finalize"}
            else:
                yield Reply(self._error("the buffer is empty", "input_audio_buffer_commit_empty"))
        elif kind == "input_audio_buffer.clear":
            self._buffered, self._is_clearing = 0, self._has_config
            yield {"type": "reset"} if self._has_config else Reply(self._cleared())
        else:
            raise self.unknown(kind)

    def give(self, message: Message) -> Iterator[Message]:
        """Yield the event that a message stands for."""
        kind = message["type"]
        if kind == "ready":
            if self._is_clearing:
                self._is_clearing = False
                yield self._cleared()
        elif kind == "finalized":
            self._items += 1
            yield self._event("input_audio_buffer.committed", item_id=f"item_{self._items}")
        elif kind == "error":
            yield self._error(message["message"], message["code"])
        else:
            rest = {key: value for key, value in message.items() if key != "type"}
            yield self._event(f"ser.{kind}", **rest)

    def _update(self, session: Any) -> None:
        if not isinstance(session, dict):
            msg = "session.update has no 'session'"
            raise ProtocolError(msg, "bad_message")
        wanted: Any = session.get("input_audio_format")
        audio: Any = session.get("audio")
        given: Any = audio.get("input") if isinstance(audio, dict) else None
        if isinstance(given, dict):
            wanted = given.get("format", wanted)
        rate = None
        if isinstance(wanted, dict):
            wanted, rate = wanted.get("type"), wanted.get("rate")
        if wanted is None:
            return
        if not isinstance(wanted, str) or wanted not in FORMATS:
            msg = f"the format of audio is {str(wanted)[:40]!r}; there are {', '.join(FORMATS)}"
            raise ProtocolError(msg, "bad_config")
        encoding, usual = FORMATS[wanted]
        if type(rate) not in {int, type(None)}:
            msg = f"the rate of audio is {str(rate)[:40]!r}, no number of Hz"
            raise ProtocolError(msg, "bad_config")
        found = (encoding, rate or usual)
        if self._has_config and found != self._format:
            msg = "the format of audio cannot change in a session; open another one"
            raise ProtocolError(msg, "bad_message")
        self._format = found

    def _config(self) -> Iterator[Message]:
        if not self._has_config:
            self._has_config = True
            encoding, rate = self._format
            own = {"encoding": encoding, "sample_rate": rate, "live": True, "turns": True}
            yield {"type": "config", **own, **self._settings}

    def _session(self) -> Message:
        encoding, rate = self._format
        names = [name for name, (known, _) in FORMATS.items() if known == encoding]
        return {"type": "ser", "audio": {"input": {"format": {"type": names[1], "rate": rate}}}}

    def _cleared(self) -> Message:
        return self._event("input_audio_buffer.cleared")

    def _error(self, text: str, code: str) -> Message:
        error = {"type": "invalid_request_error", "code": code, "message": text, "param": None}
        return self._event("error", error=error)

    def _event(self, kind: str, **fields: Any) -> Message:
        self._events += 1
        return {"type": kind, "event_id": f"event_{self._events}", **fields}
