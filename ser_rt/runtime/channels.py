"""`ChannelEngines`: one engine for each channel of the audio, over one model."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import reduce

from ser_rt.audio.channels import is_divided
from ser_rt.audio.chunk import AudioChunk
from ser_rt.classifier import EmotionClassifier
from ser_rt.runtime.engine import ChunkEngine, make_engine
from ser_rt.runtime.event import Event, TurnEvent
from ser_rt.runtime.settings import StreamSettings
from ser_rt.runtime.summary.overall import Overall


class ChannelEngines(ChunkEngine):
    """Yields the events of all channels in one order, each with its channel."""

    def __init__(self, make: Callable[[], ChunkEngine]) -> None:
        """Make an engine for each channel when its first chunk comes.

        The first is made at once, so that settings which do not fit the model are refused here.
        """
        self._make, self._spare = make, [make()]
        self._engines: dict[int, ChunkEngine] = {}
        self._names: dict[int, str | None] = {}
        self._seq = 0

    @property
    def speech_now(self) -> float:
        """Probability of speech in the newest audio of the loudest speaker, in [0, 1]."""
        return max((engine.speech_now for engine in self._engines.values()), default=0.0)

    @property
    def skipped_windows(self) -> int:
        """Number of live windows that were left out because the model was too slow."""
        return sum(engine.skipped_windows for engine in self._engines.values())

    @property
    def processed_s(self) -> float:
        """Seconds of audio processed so far, without gaps; channels run side by side."""
        return max((engine.processed_s for engine in self._engines.values()), default=0.0)

    @property
    def turn(self) -> TurnEvent | None:
        """The answer so far of the first channel in which somebody speaks; None if nobody does."""
        turns = (
            replace(turn, channel=channel, channel_name=self._names[channel])
            for channel, engine in sorted(self._engines.items())
            if (turn := engine.turn) is not None
        )
        return next(turns, None)

    @property
    def sums(self) -> Overall:
        """The sums of all channels."""
        engines = [*self._engines.values(), *self._spare]
        return reduce(Overall.joined, (engine.sums for engine in engines))

    def feed(self, chunk: AudioChunk) -> Iterator[Event]:
        """Yield the events that a chunk of one channel completes."""
        channel = chunk.channel or 1
        if channel not in self._engines:
            self._engines[channel] = self._spare.pop() if self._spare else self._make()
            self._names[channel] = chunk.channel_name
        yield from self._named(self._engines[channel].feed(chunk), channel)

    def flush(self) -> Iterator[Event]:
        """Yield the remaining events."""
        for channel, engine in sorted(self._engines.items()):
            yield from self._named(engine.flush(), channel)

    def _named(self, events: Iterable[Event], channel: int) -> Iterator[Event]:
        for event in events:
            name = self._names[channel]
            yield replace(event, seq=self._seq, channel=channel, channel_name=name)
            self._seq += 1


def make_engines(
    classifier: EmotionClassifier,
    settings: StreamSettings,
    *,
    clock: Callable[[], float] = time.monotonic,
) -> ChunkEngine:
    """Return the engine of one stream, or one for each of its channels.

    Raises:
        ConfigError: A setting does not fit the model.
    """
    if is_divided(settings.channel):
        return ChannelEngines(lambda: make_engine(classifier, settings, clock=clock))
    return make_engine(classifier, settings, clock=clock)
