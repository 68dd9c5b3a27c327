"""`ClientProtocol`: the client side of the stream protocol (docs/protocol.md), sans I/O."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ser_rt.audio.chunk import AudioChunk
from ser_rt.client.event_reader import TYPES, EventReader
from ser_rt.constants import SAMPLE_RATE
from ser_rt.errors import ConfigError, ServerError
from ser_rt.runtime.event import Event, WarningEvent
from ser_rt.runtime.event.latency import latency_ms
from ser_rt.runtime.settings import DEFAULTS, StreamSettings
from ser_rt.runtime.summary.overall import Classification

Message = str | bytes

ENCODERS: dict[str, Callable[[AudioChunk], bytes]] = {
    "pcm_f32le": lambda chunk: chunk.samples.astype("<f4").tobytes(),
    "pcm_s16le": lambda chunk: (
        np.clip(np.rint(chunk.samples * 32768.0), -32768, 32767).astype("<i2").tobytes()
    ),
}
"""Encodings of samples: exact, or half of the bytes."""

MAX_AHEAD_S = 120.0
"""How far a recording is sent ahead of its results; some networks slow it no other way."""

MESSAGE_BYTES = 65_536
"""Size of one audio message; servers limit it."""


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

    @classmethod
    def of(cls, message: Mapping[str, Any]) -> Ready:
        """Read a ``ready`` message."""
        own = {key: message[key] for key in cls.__slots__ if key in message}
        labels = tuple(label["en"] for label in message["labels"])
        return cls(**message["model"], **own | {"labels": labels})


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


class ClientProtocol:
    """State of one stream, over as many connections as it takes.

    It keeps the audio that no event covers yet: after a lost connection a recording resumes there,
    and live audio at the present, with a gap.

    Attributes:
        is_live: Whether the audio cannot wait, as that of a microphone.
        sent_samples: How many samples of the source have been sent.
        skipped_windows: Live windows that the server's load shedding left out.
        is_over: Whether the final summary has arrived.
        overall: The emotion of all audio, of the final summary; after a lost connection, of the
            audio since.
    """

    def __init__(
        self,
        settings: StreamSettings = DEFAULTS,
        *,
        encoding: str = "pcm_f32le",
        timing: bool = True,
    ) -> None:
        """Begin a stream of mono audio at `SAMPLE_RATE`.

        Raises:
            ConfigError: A setting is of no use to a server, or the encoding is unknown.
        """
        if encoding not in ENCODERS:
            msg = f"no encoding {encoding!r}; there are {', '.join(ENCODERS)}"
            raise ConfigError(msg)
        self._settings = settings.to_message()
        self._encoding, self._timing = encoding, timing
        self._pending: deque[AudioChunk] = deque()
        self._captured: deque[tuple[int, AudioChunk]] = deque()
        self._next_sample = self._covered_to = self._seq = self._pending_samples = 0
        self._lost_at: float | None = None
        self._reader = EventReader()
        self.is_live = False
        self.sent_samples = 0
        self.skipped_windows = 0
        self.is_over = False
        self.overall = Classification()

    @property
    def has_room(self) -> bool:
        """Whether more should be sent now."""
        if self.is_live or not self._pending:
            return True
        # An event seldom ends where a chunk does: one is covered in part.
        covered = max(0, self._covered_to - self._pending[0].start)
        return self._pending_samples - covered < MAX_AHEAD_S * SAMPLE_RATE

    @property
    def has_gap(self) -> bool:
        """Whether live audio was lost since the last connection."""
        return self.is_live and self._lost_at is not None

    def begin(self, next_sample: int = 0) -> Iterator[Message]:
        """Yield the messages that open a connection: config, and audio that no event covers yet.

        ``next_sample`` is where live audio resumes after a gap.
        """
        if self.is_live:
            self._pending.clear()
        start = max(self._next_sample, next_sample) if self.is_live else self._covered_to
        again = [_from(chunk, start) for chunk in self._pending]
        self._pending.clear()
        self._pending_samples = 0
        self._captured.clear()
        self._reader.begin()
        self._next_sample = start
        yield json.dumps(self._config(start), ensure_ascii=False)
        for chunk in again:
            if len(chunk.samples):
                yield from self.send(chunk)

    def send(self, chunk: AudioChunk) -> Iterator[Message]:
        """Yield the messages of a chunk."""
        if not len(chunk.samples):
            return
        lost = chunk.start - self._next_sample
        if lost > 0:
            yield json.dumps({"type": "gap", "seconds": lost / SAMPLE_RATE})
        self._next_sample = chunk.start + len(chunk.samples)
        self._pending.append(chunk)
        self._pending_samples += len(chunk.samples)
        self._captured.append((self._next_sample, chunk))
        data = ENCODERS[self._encoding](chunk)
        for start in range(0, len(data), MESSAGE_BYTES):
            yield data[start : start + MESSAGE_BYTES]

    def warnings(self, chunk: AudioChunk) -> Iterator[Event]:
        """Yield the warnings of a chunk, and count its samples as sent."""
        self.sent_samples += len(chunk.samples)
        at_s = chunk.start / SAMPLE_RATE
        for code, message in chunk.warnings:
            yield self._warning(code, message, at_s)

    def lost(self, why: str) -> Iterator[Event]:
        """Note that the connection is lost; yield a warning, the first time."""
        if self._lost_at is None:
            self._lost_at = time.monotonic()
            yield self._warning("stream_lost", f"the server is lost: {why}", self._end_s)

    def receive(self, text: str) -> Iterator[Event]:
        """Yield the events of a message of the server.

        Raises:
            ServerError: It is an ``error``, or no message of the protocol.
        """
        message = read(text)
        kind = message["type"]
        if kind == "ready":
            yield from self._back()
        elif kind == "summary":
            self.skipped_windows += message.get("skipped_windows", 0)
            self.is_over = not message.get("interrupted")
            duration_s = self.sent_samples / SAMPLE_RATE
            self.overall = Classification(**message.get("overall") or {}, duration_s=duration_s)
        elif kind in TYPES:
            event = self._reader.event(message)
            yield self._noted(replace(event, seq=self._next_seq()))

    def _back(self) -> Iterator[Event]:
        if self._lost_at is None:
            return
        away_s, self._lost_at = time.monotonic() - self._lost_at, None
        message = f"the server is back after {away_s:.1f} s"
        at_s = self._end_s
        if self.is_live:
            at_s = self._next_sample / SAMPLE_RATE
            message += "; audio in between is lost"
        yield self._warning("stream_back", message, at_s)

    def _config(self, start: int) -> dict[str, Any]:
        return {
            "type": "config",
            "encoding": self._encoding,
            "sample_rate": SAMPLE_RATE,
            "live": self.is_live,
            "timing": self._timing,
            "start_s": start / SAMPLE_RATE,
            **self._settings,
        }

    def _noted(self, event: Event) -> Event:
        if event.type in {"warning", "episode", "turn"}:
            return event
        end = round(event.end * SAMPLE_RATE)
        self._covered_to = max(self._covered_to, end)
        while self._pending and self._pending[0].start + len(self._pending[0].samples) <= end:
            self._pending_samples -= len(self._pending.popleft().samples)
        while len(self._captured) > 1 and self._captured[0][0] < end:
            self._captured.popleft()
        if not event.latency_ms or not self._captured:
            return event
        return replace(event, latency_ms=self._latency_ms(event, end))

    def _latency_ms(self, event: Event, end: int) -> dict[str, float]:
        """Return the latency from capture to now: the server's, and what the network adds."""
        chunk_end, chunk = self._captured[0]
        captured_at = chunk.captured_at
        if chunk.is_live:
            captured_at -= max(0, chunk_end - end) / SAMPLE_RATE
        total_s = time.monotonic() - captured_at
        spent_s = {
            part: value / 1e3
            for part, value in event.latency_ms.items()
            if part not in {"total", "other"}
        }
        spent_s["network"] = total_s - event.latency_ms["total"] / 1e3
        return latency_ms(total_s, spent_s)

    @property
    def _end_s(self) -> float:
        return self._covered_to / SAMPLE_RATE

    def _warning(self, code: str, message: str, at_s: float) -> WarningEvent:
        seq = self._next_seq()
        return WarningEvent(
            seq=seq,
            start=at_s,
            end=at_s,
            code=code,
            message=message,
            source=self._settings.get("name"),
        )

    def _next_seq(self) -> int:
        self._seq += 1
        return self._seq - 1


def _from(chunk: AudioChunk, start: int) -> AudioChunk:
    """Return the part of a chunk from a sample on."""
    passed = max(0, start - chunk.start)
    return replace(chunk, samples=chunk.samples[passed:], start=chunk.start + passed)
