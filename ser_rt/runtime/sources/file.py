"""A recording, as fast as it can be read or at the pace of the clock."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

from ser_rt.config import SAMPLE_RATE
from ser_rt.errors import AudioDecodeError, AudioInputError
from ser_rt.runtime.audio import AudioChunk, AudioSource, ChunkMaker
from ser_rt.runtime.sources.decoding import Decoder, open_audio

BLOCKS_PER_SECOND = 10


class FileSource(AudioSource):
    """Reads a file block by block: an hour takes no more memory than a minute.

    Raises:
        AudioNotFoundError: There is no such file (on entering).
        AudioDecodeError: It is not audio, or holds none (on entering or at the bad place).
    """

    def __init__(
        self,
        path: str | Path,
        sample_rate: int = SAMPLE_RATE,
        *,
        realtime: bool = False,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Name the file, the rate in Hz to convert to, and whether to follow the clock."""
        self._path, self._sample_rate = path, sample_rate
        self._realtime = realtime
        self._clock, self._sleep = clock, sleep
        self._decoder: Decoder | None = None

    def __enter__(self) -> Self:
        """Open the file."""
        if self._decoder is None:
            self._decoder = open_audio(self._path)
        return self

    def __exit__(self, *exc_info: object) -> None:
        """Close the file."""
        if self._decoder is not None:
            self._decoder.close()
            self._decoder = None

    def __iter__(self) -> Iterator[AudioChunk]:
        """Yield the file's chunks."""
        if self._decoder is None:
            self.__enter__()
        assert self._decoder is not None  # noqa: S101 (for the type checker)
        rate = self._decoder.sample_rate
        maker = ChunkMaker(rate, self._sample_rate, is_live=self._realtime)
        started_at, frames = self._clock(), 0
        try:
            for block in self._decoder.blocks(max(1, rate // BLOCKS_PER_SECOND)):
                frames += len(block)
                due_at = self._wait_until(started_at + frames / rate) if self._realtime else None
                queue_s = 0.0 if due_at is None else max(0.0, self._clock() - due_at)
                try:
                    chunk = maker.feed(block, due_at, queue_s)
                except AudioInputError as error:
                    msg = f"{self._path} is damaged near {frames / rate:.2f} s: {error}"
                    raise AudioDecodeError(msg) from error
                if len(chunk.samples):
                    yield chunk
        except AudioDecodeError:
            yield from _rest(maker)
            raise
        if frames == 0:
            msg = f"{self._path} holds no audio"
            raise AudioDecodeError(msg)
        yield from _rest(maker)

    def _wait_until(self, due_at: float) -> float:
        before = self._clock()
        if before < due_at:
            self._sleep(due_at - before)
            self.waited_s += self._clock() - before
        return due_at


def _rest(maker: ChunkMaker) -> Iterator[AudioChunk]:
    chunk = maker.flush()
    if len(chunk.samples):
        yield chunk
