"""One client's stream, from bytes to events; it knows nothing of sockets."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator

from ser_rt.classifier import EmotionClassifier
from ser_rt.runtime.audio import ChunkMaker
from ser_rt.runtime.event import EmotionEvent
from ser_rt.runtime.settings import make_engine
from ser_rt.runtime.summary import Ledger, Summary
from ser_rt.server.inputs import INPUTS, Samples
from ser_rt.server.protocol import ProtocolError, StreamConfig

Events = list[EmotionEvent]


class Hearing:
    """All that the server remembers of one stream. One thread at a time."""

    def __init__(
        self,
        classifier: EmotionClassifier,
        config: StreamConfig,
        *,
        max_audio_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Listen with a classifier as a client wants.

        Raises:
            ConfigError: Its settings contradict each other.
        """
        self._classifier, self._config, self._clock = classifier, config, clock
        self._max_audio_s = max_audio_s
        self._ledger = Ledger(clock)
        self._closed_s, self._skipped = 0.0, 0
        self._begin()

    @property
    def total_s(self) -> float:
        """Seconds of audio heard so far."""
        return self._closed_s + self._engine.heard_s

    @property
    def end_s(self) -> float:
        """Where the audio heard so far ends."""
        samples = 0 if self._maker is None else self._maker.next_sample
        return samples / self._classifier.sample_rate

    @property
    def skipped_windows(self) -> int:
        """Number of live windows that were left out for want of time."""
        return self._skipped + self._engine.skipped_windows

    def feed(self, data: bytes, arrived_at: float) -> Iterator[Events]:
        """Hear bytes that arrived at a time; yield the events of each piece of their audio.

        Raises:
            ProtocolError: There is too much audio.
            AudioInputError: It is no audio.
        """
        yield from self._hear(self._input.feed(data), arrived_at)

    def finalize(self) -> Iterator[Events]:
        """Yield the results of all audio so far."""
        yield self._noted(self._engine.flush())

    def finish(self) -> Iterator[Events]:
        """Yield the last results."""
        yield from self._hear(self._input.flush(), self._clock())
        if self._maker is not None:
            if self._input.trailing_bytes:
                bytes_ = self._input.trailing_bytes
                self._maker.warn("trailing_bytes", f"the last {bytes_} bytes are no whole sample")
            yield self._noted(self._engine.feed(self._maker.flush()))
        yield from self.finalize()

    def gap(self, seconds: float) -> Iterator[Events]:
        """Leave out audio that was lost; yield the results of what was before it."""
        if self._config.encoding == "opus":
            msg = "opus has no gaps: reset, and begin a new file"
            raise ProtocolError(msg, "bad_message")
        maker = self._made()
        yield self._noted(self._engine.feed(maker.flush()))
        self._frame += round(seconds * (self._input.sample_rate or 0))
        maker.jump(self._frame)

    def reset(self) -> None:
        """Forget all audio so far."""
        self._ledger.close(self._engine.heard_s, 0.0, 0, self._engine.skipped_windows)
        self._closed_s, self._skipped = self.total_s, self.skipped_windows
        self._input.close()
        self._begin()

    def summary(self, *, interrupted: bool) -> Summary:
        """Return what it all came to; nothing may follow but `close`."""
        engine = self._engine
        self._ledger.close(engine.heard_s, 0.0, 0, engine.skipped_windows)
        return self._ledger.summary(interrupted=interrupted)

    def close(self) -> None:
        """Give back what it holds; callable from any thread."""
        self._input.close()

    def _begin(self) -> None:
        self._input = INPUTS[self._config.encoding](self._config)
        self._engine = make_engine(self._classifier, clock=self._clock, **self._config.settings)
        self._maker: ChunkMaker | None = None
        self._frame = 0

    def _made(self) -> ChunkMaker:
        if self._maker is None:
            to_hz = self._classifier.sample_rate
            self._maker = ChunkMaker(
                self._input.sample_rate or to_hz,
                to_hz,
                is_live=self._config.live,
                start=round(self._config.start_s * to_hz),
                clock=self._clock,
            )
        return self._maker

    def _hear(self, pieces: Iterable[Samples], arrived_at: float) -> Iterator[Events]:
        for piece in pieces:
            self._frame += len(piece)
            chunk = self._made().feed(piece, arrived_at, max(0.0, self._clock() - arrived_at))
            yield self._noted(self._engine.feed(chunk))
            if self.total_s > self._max_audio_s:
                msg = f"a stream may have {self._max_audio_s:g} s of audio; open another one"
                raise ProtocolError(msg, "session_too_long")

    def _noted(self, events: Iterable[EmotionEvent]) -> Events:
        noted = list(events)
        for event in noted:
            self._ledger.add(event)
        return noted
