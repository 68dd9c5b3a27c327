"""Each channel of the audio heard by itself: one engine a channel, over one model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Protocol

from ser_rt.audio.chunk import AudioChunk
from ser_rt.errors import AudioError, DeviceError
from ser_rt.runtime.engine import StreamEngine
from ser_rt.runtime.event import EmotionEvent


class ChunkEngine(StreamEngine, Protocol):
    """What hears one stream, chunk by chunk: an `Engine`, or one for each channel."""

    def feed(self, chunk: AudioChunk) -> Iterator[EmotionEvent]:
        """Yield the events that a chunk brings."""
        ...


class ChannelEngines:
    """Events of all channels in one order, each with its channel."""

    def __init__(self, make: Callable[[], ChunkEngine]) -> None:
        """Make an engine for each channel when its first chunk comes.

        The first is made at once, so that settings that contradict each other are refused here.
        """
        self._make, self._spare = make, [make()]
        self._engines: dict[int, ChunkEngine] = {}
        self._seq = 0

    @property
    def speech_now(self) -> float:
        """Probability of speech in the newest audio of the loudest speaker, in [0, 1]."""
        return max((engine.speech_now for engine in self._engines.values()), default=0.0)

    @property
    def skipped_windows(self) -> int:
        """Number of live windows that were left out for want of time."""
        return sum(engine.skipped_windows for engine in self._engines.values())

    @property
    def heard_s(self) -> float:
        """Seconds of audio heard so far; gaps are none, and channels are heard at once."""
        return max((engine.heard_s for engine in self._engines.values()), default=0.0)

    def run(self, source: Iterable[AudioChunk]) -> Iterator[EmotionEvent]:
        """Yield the events of a whole source; if it breaks, first those of what was heard."""
        try:
            for chunk in source:
                yield from self.feed(chunk)
        except (AudioError, DeviceError):
            yield from self.flush()
            raise
        yield from self.flush()

    def feed(self, chunk: AudioChunk) -> Iterator[EmotionEvent]:
        """Yield the events that a chunk of one channel brings."""
        channel = chunk.channel or 1
        if channel not in self._engines:
            self._engines[channel] = self._spare.pop() if self._spare else self._make()
        yield from self._named(self._engines[channel].feed(chunk), channel)

    def flush(self) -> Iterator[EmotionEvent]:
        """Yield the events that are still to come."""
        for channel, engine in sorted(self._engines.items()):
            yield from self._named(engine.flush(), channel)

    def _named(self, events: Iterable[EmotionEvent], channel: int) -> Iterator[EmotionEvent]:
        for event in events:
            yield replace(event, seq=self._seq, channel=channel)
            self._seq += 1
