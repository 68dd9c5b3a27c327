"""A stream from the network, or any container by URL: what FFmpeg opens, opened again if lost."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Self

from ser_rt.config import SAMPLE_RATE
from ser_rt.errors import AudioDecodeError
from ser_rt.runtime.audio import SILENCE, AudioChunk, AudioSource, ChunkMaker, SourceWarning
from ser_rt.runtime.sources.decoding import AvDecoder, Decoder

TIMEOUT_S = 5.0
FIRST_RETRY_S, MAX_RETRY_S, RETRY_GROWTH = 0.5, 10.0, 2.0
BLOCKS_PER_SECOND = 25
ENDLESS = ("rtsp", "rtmp", "srt", "udp", "rtp")
"""Protocols of live streams: where one of these ends, it was lost."""


class NetworkSource(AudioSource):
    """Audio of a URL. It is live where its length is not known.

    Raises:
        AudioDecodeError: It does not answer in time, or is not audio (on entering); it is lost
            and ``reconnect`` is off.
    """

    def __init__(
        self,
        url: str,
        sample_rate: int = SAMPLE_RATE,
        *,
        reconnect: bool = True,
        timeout_s: float = TIMEOUT_S,
        open_stream: Callable[[str, float], Decoder] = AvDecoder,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Name the URL, the rate in Hz to convert to, and how long to wait for an answer."""
        self._url, self._sample_rate, self._reconnect = url, sample_rate, reconnect
        self._timeout_s, self._open_stream = timeout_s, open_stream
        self._clock, self._sleep = clock, sleep
        self._decoder: Decoder | None = None
        self._origin_s = 0.0
        self._next_sample = 0

    def __enter__(self) -> Self:
        """Open the stream."""
        if self._decoder is None:
            self._decoder = self._open_stream(self._url, self._timeout_s)
            self._origin_s = self._clock()
        return self

    def __exit__(self, *exc_info: object) -> None:
        """Close the stream."""
        if self._decoder is not None:
            self._decoder.close()
            self._decoder = None

    def __iter__(self) -> Iterator[AudioChunk]:
        """Yield chunks as they come."""
        if self._decoder is None:
            self.__enter__()
        lost_at: float | None = None
        while self._decoder is not None:
            maker = self._maker(self._decoder, lost_at)
            try:
                yield from self._decoded(self._decoder, maker)
                if not self._url.startswith(ENDLESS):
                    return
                why = "it ended"
            except AudioDecodeError as error:
                why = str(error)
                if not self._reconnect:
                    raise
            lost_at = self._clock()
            warning = SourceWarning("stream_lost", f"{self._url} is lost: {why}")
            yield AudioChunk(SILENCE, self._next_sample, lost_at, is_live=True, warnings=(warning,))
            self._decoder.close()
            self._decoder = self._opened_again()

    def _decoded(self, decoder: Decoder, maker: ChunkMaker) -> Iterator[AudioChunk]:
        before = self._clock()
        for block in decoder.blocks(max(1, decoder.sample_rate // BLOCKS_PER_SECOND)):
            now = self._clock()
            self.waited_s += now - before
            yield self._noted(maker.feed(block, now))
            before = self._clock()
        yield self._noted(maker.flush(self._clock()))

    def _maker(self, decoder: Decoder, lost_at: float | None) -> ChunkMaker:
        passed = 0
        if lost_at is not None:
            passed = round((self._clock() - self._origin_s) * self._sample_rate)
        maker = ChunkMaker(
            decoder.sample_rate,
            self._sample_rate,
            is_live=getattr(decoder, "is_endless", True),
            start=max(self._next_sample, passed),
            clock=self._clock,
        )
        if lost_at is not None:
            away_s = self._clock() - lost_at
            maker.warn("stream_back", f"{self._url} is back after {away_s:.1f} s")
        return maker

    def _noted(self, chunk: AudioChunk) -> AudioChunk:
        self._next_sample = chunk.start + len(chunk.samples)
        return chunk

    def _opened_again(self) -> Decoder:
        before, wait_s = self._clock(), FIRST_RETRY_S
        while True:
            self._sleep(wait_s)
            wait_s = min(RETRY_GROWTH * wait_s, MAX_RETRY_S)
            try:
                decoder = self._open_stream(self._url, self._timeout_s)
            except AudioDecodeError:
                continue
            self.waited_s += self._clock() - before
            return decoder
