"""`ClientProtocol`: the client side of the stream protocol (docs/protocol.md), sans I/O."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from ser_rt.audio.channels import ALL_CHANNELS, SPLIT_CHANNELS, Split, is_divided
from ser_rt.audio.chunk import AudioChunk
from ser_rt.client.event_reader import TYPES, EventReader
from ser_rt.client.messages import as_the_protocol_has_it, read
from ser_rt.client.sent_audio import SentAudio
from ser_rt.constants import SAMPLE_RATE
from ser_rt.errors import ConfigError
from ser_rt.runtime.event import Event, TurnEvent, WarningEvent
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

FIRST_BYTES, MESSAGE_BYTES = 4096, 65_536
"""Size of one audio message: until the server has stated its limit, and at most."""


class ClientProtocol:
    """State of one stream, over as many connections as it takes.

    It keeps the audio that no event covers yet, and that of an open turn: after a lost connection a
    recording resumes there, and live audio at the present, with a gap. Chunks are ``[samples]``, or
    of channels that are split `JoinedChannels`' ``[frames, channels]``.

    Attributes:
        channel: Which channels of the audio are sent.
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
        """Begin a stream at `SAMPLE_RATE`.

        Raises:
            ConfigError: A setting is of no use to a server, or the encoding is unknown.
        """
        if encoding not in ENCODERS:
            msg = f"no encoding {encoding!r}; there are {', '.join(ENCODERS)}"
            raise ConfigError(msg)
        self._settings = settings.to_message()
        self._encoding, self._timing = encoding, timing
        self.channel = settings.source_channel
        self._has_turns = settings.turns
        turn_s = settings.longest_turn_s + settings.turn_pause_s if settings.turns else 0.0
        self._sent = SentAudio(round(turn_s * SAMPLE_RATE))
        self._captured: deque[tuple[int, AudioChunk]] = deque()
        self._next_sample = self._seq = 0
        self._message_bytes = FIRST_BYTES
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
        return self.is_live or self._sent.uncovered_samples < MAX_AHEAD_S * SAMPLE_RATE

    @property
    def has_gap(self) -> bool:
        """Whether live audio was lost since the last connection."""
        return self.is_live and self._lost_at is not None

    def meet(self, first: AudioChunk | None) -> None:
        """Take note of what the audio is like, from its first chunk, before the first `begin`."""
        if first is None:
            return
        self.is_live = first.is_live
        if is_divided(self.channel) and first.samples.ndim == 2:
            count = first.samples.shape[1]
            names = self.channel.names if isinstance(self.channel, Split) else ()
            self._settings |= {"channels": count, "channel": ALL_CHANNELS}
            if names:
                self._settings |= {"channel": SPLIT_CHANNELS, "channel_names": names}
            self._sent.split(count)

    def begin(self, next_sample: int = 0) -> Iterator[Message]:
        """Yield the messages that open a connection: config, and audio that no event covers yet.

        ``next_sample`` is where live audio resumes after a gap.
        """
        if self.is_live:
            self._sent.clear()
        start, again = self._sent.again()
        if self.is_live:
            start = max(self._next_sample, next_sample)
        self._captured.clear()
        self._next_sample = start
        yield json.dumps(self._config(start), ensure_ascii=False)
        for chunk in again:
            yield from self.send(chunk)

    def send(self, chunk: AudioChunk) -> Iterator[Message]:
        """Yield the messages of a chunk."""
        if not len(chunk.samples):
            return
        lost = chunk.start - self._next_sample
        if lost > 0:
            yield json.dumps({"type": "gap", "seconds": lost / SAMPLE_RATE})
        self._next_sample = chunk.start + len(chunk.samples)
        self._sent.add(chunk)
        self._captured.append((self._next_sample, chunk))
        data = ENCODERS[self._encoding](chunk)
        for start in range(0, len(data), self._message_bytes):
            yield data[start : start + self._message_bytes]

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
            message = f"the server is lost: {why}"
            if self.is_live and self._has_turns:
                message += "; what was said of a turn that goes on has no answer"
            yield self._warning("stream_lost", message, self._end_s)

    def receive(self, text: str) -> Iterator[Event]:
        """Yield the events of a message of the server.

        Raises:
            ServerError: It is an ``error``, or no message of the protocol.
        """
        message = read(text)
        with as_the_protocol_has_it(message):
            events = list(self._taken(message))
        yield from events

    def _taken(self, message: dict[str, Any]) -> Iterator[Event]:
        kind = message["type"]
        if kind == "ready":
            self._sent.hop = round(message.get("hop_s", 0) * SAMPLE_RATE)
            limit = message.get("limits", {}).get("max_message_bytes", MESSAGE_BYTES)
            self._message_bytes = max(1, min(MESSAGE_BYTES, limit))
            yield from self._back()
        elif kind == "summary":
            self.skipped_windows += message.get("skipped_windows", 0)
            self.is_over = not message.get("interrupted")
            duration_s = self.sent_samples / SAMPLE_RATE
            self.overall = Classification(**message.get("overall") or {}, duration_s=duration_s)
        elif kind in TYPES:
            event = self._reader.event(message)
            if self._is_new(event):
                event = replace(self._reader.counted(event), seq=self._next_seq())
                yield self._timed(event)

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

    def _is_new(self, event: Event) -> bool:
        """Note an event; return whether no connection before has given it."""
        channel, end = event.channel or 0, round(event.end * SAMPLE_RATE)
        if isinstance(event, TurnEvent):
            start = round(event.start * SAMPLE_RATE)
            return self._sent.is_new_turn(channel, start, end, final=event.final)
        return event.type in {"warning", "episode"} or self._sent.is_new_result(channel, end)

    def _timed(self, event: Event) -> Event:
        """Return a result with the latency that its user sees."""
        if event.type in {"warning", "episode", "turn"}:
            return event
        end = round(event.end * SAMPLE_RATE)
        while len(self._captured) > 1 and self._captured[0][0] < min(end, self._sent.covered_to):
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
        return self._sent.covered_to / SAMPLE_RATE

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
