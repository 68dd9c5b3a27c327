"""`ServerStream`: one client's stream from bytes to events, without sockets."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from ser_rt.audio.block import Block, SourceWarning
from ser_rt.audio.channels import checked_channel, numbers_of
from ser_rt.audio.converter import BlockConverter
from ser_rt.audio.decoding.pcm import PcmDecoder
from ser_rt.classifier import EmotionClassifier
from ser_rt.errors import AudioError, AudioInputError, ConfigError
from ser_rt.runtime.channels import make_engines
from ser_rt.runtime.episodes import Lag
from ser_rt.runtime.event import Event, TurnEvent
from ser_rt.runtime.statistics import StreamStatistics, Summary
from ser_rt.server.audio_decoders import DECODERS
from ser_rt.server.protocol import ProtocolError, StreamConfig
from ser_rt.server.tracing import UNTRACED, Trace

Events = list[Event]


class ServerStream:
    """Decoder, converter, engine and statistics of one stream; for one thread at a time."""

    def __init__(
        self,
        classifier: EmotionClassifier,
        config: StreamConfig,
        *,
        max_audio_s: float,
        trace: Trace = UNTRACED,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Set the stream up with the settings of a client.

        Raises:
            ConfigError: Its settings contradict each other.
        """
        self._classifier, self._config, self._clock = classifier, config, clock
        self._max_audio_s, self._trace = max_audio_s, trace
        lag = None if config.live else Lag.of(config.settings, classifier)
        self._statistics = StreamStatistics(clock, lag=lag)
        self._closed_s, self._skipped = 0.0, 0
        self._begin()

    @property
    def total_s(self) -> float:
        """Seconds of audio processed so far."""
        return self._closed_s + self._engine.processed_s

    @property
    def end_s(self) -> float:
        """End of the audio processed so far, in seconds."""
        return (
            self._converter.next_sample / self._classifier.sample_rate if self._has_audio else 0.0
        )

    @property
    def skipped_windows(self) -> int:
        """Number of live windows that load shedding left out."""
        return self._skipped + self._engine.skipped_windows

    def feed(self, data: bytes, arrived_at: float) -> Iterator[Events]:
        """Yield the events of each block of the bytes; ``arrived_at`` is when they arrived.

        Raises:
            ProtocolError: There is too much audio.
            AudioInputError: Samples are not audio.
        """
        yield from self._process(self._decoder.feed(data), arrived_at)

    def finalize(self) -> Iterator[Events]:
        """Yield the results of all audio so far."""
        yield self._counted(self._engine.flush())

    def finish(self, *, interrupted: bool = False) -> Iterator[Events]:
        """Yield the last results; a turn that is interrupted is cut."""
        try:
            yield from self._process(self._decoder.flush(), self._clock())
        except AudioError:
            yield from self._rest()
            raise
        for events in self._rest():
            yield [_cut(event) for event in events] if interrupted else events

    def _rest(self) -> Iterator[Events]:
        """Yield the results of the samples that the resampler still holds."""
        for chunk in self._converter.flush():
            warnings = chunk.warnings
            if self._decoder.trailing_bytes:
                message = f"the last {self._decoder.trailing_bytes} bytes are no whole sample"
                warnings += (SourceWarning("trailing_bytes", message),)
            yield self._counted(self._engine.feed(replace(chunk, warnings=warnings)))
        yield from self.finalize()

    def gap(self, seconds: float) -> Iterator[Events]:
        """Yield the results of the audio before a gap, and advance past it."""
        if not isinstance(self._decoder, PcmDecoder):
            msg = "opus has no gaps: reset, and begin a new file"
            raise ProtocolError(msg, "bad_message")
        for chunk in self._converter.pause():
            yield self._counted(self._engine.feed(chunk))
        self._decoder.skip(seconds)

    def reset(self) -> None:
        """Start anew, as if no audio had arrived."""
        self._count()
        self._closed_s, self._skipped = self.total_s, self.skipped_windows
        self._decoder.close()
        self._begin()

    def summary(self, *, interrupted: bool) -> Summary:
        """Return the summary of the stream; only `close` may follow."""
        self._count()
        return self._statistics.summary(interrupted=interrupted)

    def close(self) -> None:
        """Release the decoder; callable from any thread."""
        self._decoder.close()

    def _count(self) -> None:
        engine = self._engine
        self._statistics.close(
            engine.processed_s, 0.0, 0, engine.skipped_windows, overall=engine.overall
        )

    def _begin(self) -> None:
        self._decoder = DECODERS[self._config.encoding](self._config)
        config, to_hz = self._config, self._classifier.sample_rate
        if isinstance(self._decoder, PcmDecoder):
            _check_channels(config)
        self._engine = make_engines(self._classifier, config.settings, clock=self._clock)
        self._converter = BlockConverter(
            to_hz,
            channel=config.settings.source_channel,
            is_live=config.live,
            repairs=not isinstance(self._decoder, PcmDecoder),
            start=round(config.start_s * to_hz),
            clock=self._clock,
        )
        self._has_audio = False

    def _process(self, blocks: Iterable[Block], arrived_at: float) -> Iterator[Events]:
        for block in self._trace.timed(blocks):
            self._has_audio = True
            waited_s = max(0.0, self._clock() - arrived_at)
            for chunk in self._converter.feed(block, arrived_at, waited_s):
                yield self._counted(self._engine.feed(chunk))
            if self.total_s > self._max_audio_s:
                msg = f"a stream may have {self._max_audio_s:g} s of audio; open another one"
                raise ProtocolError(msg, "session_too_long")

    def _counted(self, events: Iterable[Event]) -> Events:
        counted = list(events)
        for event in counted:
            self._statistics.add(event)
        return counted


def _cut(event: Event) -> Event:
    return replace(event, cut=True) if isinstance(event, TurnEvent) else event


def _check_channels(config: StreamConfig) -> None:
    """Refuse a choice of channels that raw samples, whose number is known, do not have."""
    try:
        numbers_of(checked_channel(config.settings.source_channel), config.channels)
    except AudioInputError as error:
        raise ConfigError(str(error)) from error
