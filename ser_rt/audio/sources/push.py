"""`PushSource`: audio pushed by another library's callback, read in another thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy.typing as npt

from ser_rt.audio.chunk import AudioChunk, AudioSource, ChunkMaker
from ser_rt.audio.samples import checked_rate, mono
from ser_rt.audio.sources.block_queue import BlockQueue, QueuedBlock
from ser_rt.constants import SAMPLE_RATE
from ser_rt.errors import AudioInputError

MAX_BLOCKS = 1_000
POLL_S = 0.25


class PushSource(AudioSource):
    """A live source with a `push` that never waits: callable from an audio callback.

    At most ``max_blocks`` wait to be read; beyond that the oldest are dropped and counted, and
    the others keep their place in time.

    Example:
        >>> source = PushSource(rate=16_000)
        >>> source.push(samples)
        >>> source.end()
        >>> sum(len(chunk.samples) for chunk in source) == len(samples)
        True
    """

    def __init__(
        self,
        rate: int,
        sample_rate: int = SAMPLE_RATE,
        *,
        max_blocks: int = MAX_BLOCKS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Set the rate in Hz of pushed samples, and the rate to convert to."""
        self._rate, self._clock = checked_rate(rate), clock
        self._maker = ChunkMaker(rate, sample_rate, is_live=True, clock=clock)
        self._queue = BlockQueue(max_blocks)
        self._frames = 0
        self._ended = threading.Event()

    def push(self, samples: npt.NDArray[Any], captured_at: float | None = None) -> None:
        """Take samples; one thread at a time.

        Args:
            samples: ``[samples]`` or ``[samples, channels]``, float in [-1, 1] or int16; copied.
            captured_at: Monotonic seconds when the last one was captured; None for now.

        Raises:
            AudioInputError: Samples are of another type, NaN, infinite or not scaled, or the
                source has ended.
        """
        if self._ended.is_set():
            msg = "the source has ended; make another one"
            raise AudioInputError(msg)
        frames = mono(samples)
        if frames is samples:
            frames = frames.copy()
        captured_at = self._clock() if captured_at is None else captured_at
        self._queue.put(QueuedBlock(self._frames, frames, captured_at))
        self._frames += len(frames)

    def end(self) -> None:
        """Mark the end of the audio; callable from any thread."""
        self._ended.set()
        self._queue.wake()

    def close(self) -> None:
        """End the source."""
        self.end()

    def __iter__(self) -> Iterator[AudioChunk]:
        while (block := self._next_block()) is not None:
            if block.first_frame != self._maker.next_frame:
                skipped = self._maker.skip_to(block.first_frame, block.captured_at)
                self.dropped_samples += yield from skipped
            queue_s = self._clock() - block.captured_at
            yield self._maker.feed(block.samples, block.captured_at, queue_s)
        yield self._maker.flush()

    def _next_block(self) -> QueuedBlock | None:
        before = self._clock()
        try:
            while True:
                ended = self._ended.is_set()
                block = self._queue.get(0.0 if ended else POLL_S)
                if block is not None or ended:
                    return block
        finally:
            self.waited_s += self._clock() - before
