"""`BlockConverter`: decoded blocks, whose rate and channels may change, to `AudioChunk`s."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from ser_rt.audio.block import Block, Samples
from ser_rt.audio.channel_monitor import ChannelMonitor
from ser_rt.audio.channels import Channel, Split, checked_channel, is_divided, numbers_of
from ser_rt.audio.chunk import AudioChunk, ChunkMaker
from ser_rt.audio.samples import MAX_PEAK
from ser_rt.errors import AudioInputError

_CONTIGUOUS_S = 0.01
_MOST_BAD = 0.1
"""Where more samples than this are too loud, they were never scaled."""


class BlockConverter:
    """Converts blocks to a rate; a gap, or another rate, begins with a fresh resampler."""

    def __init__(
        self,
        to_hz: int,
        *,
        channel: Channel = None,
        is_live: bool = False,
        start: int = 0,
        repairs: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Convert to a rate in Hz; sample ``start`` is where the blocks' time is 0.

        With ``repairs``, a few samples that are out of range, as decoders give of damaged
        recordings, become silence with a warning.

        Raises:
            AudioInputError: The channel is none.
        """
        self._to_hz, self._channel, self._is_live = to_hz, checked_channel(channel), is_live
        self._start, self._repairs, self._clock = start, repairs, clock
        self._makers: list[ChunkMaker] = []
        self._monitor: ChannelMonitor | None = None
        self._like = (0, 0)
        self._next_s = 0.0
        self.next_sample = start
        """Index of the first sample of the next chunk."""

    def feed(
        self, block: Block, captured_at: float | None = None, queue_s: float = 0.0
    ) -> Iterator[AudioChunk]:
        """Yield the chunks of a block: one, or one for each channel.

        Raises:
            AudioInputError: There are no such channels, or the samples are no audio.
        """
        if not (self._makers or len(block.samples) or block.warnings):
            return  # nothing says yet which channels there are
        like = (block.sample_rate, block.samples.shape[1])
        is_cut = block.start_s - self._next_s > _CONTIGUOUS_S
        if not self._makers or is_cut or (len(block.samples) and like != self._like):
            if like != self._like:
                yield from self.flush(captured_at)
            else:  # a gap: what is known of the channels stays so
                yield from self.pause(captured_at)
            self._begin(block, like)
        for warning in block.warnings:
            self._makers[0].warn(*warning)
        if self._monitor is not None:
            for warning in self._monitor.feed(block.samples):
                self._makers[0].warn(*warning)
        samples = block.samples if len(block.samples) else block.samples.reshape(-1)
        for maker in self._makers:
            try:
                chunk = maker.feed(samples, captured_at, queue_s)
            except AudioInputError:
                repaired = self._repaired(block)
                if repaired is None:
                    raise
                samples, message = repaired
                maker.warn("damaged", message)
                chunk = maker.feed(samples, captured_at, queue_s)
            yield self._noted(chunk)
        self._next_s = block.start_s + len(block.samples) / block.sample_rate

    def _repaired(self, block: Block) -> tuple[Samples, str] | None:
        """Return samples with bad ones silenced, and the fault; None if it cannot be repaired."""
        bad = ~(np.abs(block.samples) <= MAX_PEAK)  # NaN is not less than anything
        was_never_scaled = bad.mean() > _MOST_BAD and np.isfinite(block.samples).all()
        if not self._repairs or not bad.any() or was_never_scaled:
            return None
        at_s = block.start_s + int(bad.any(axis=1).argmax()) / block.sample_rate
        count, value = int(bad.sum()), float(block.samples[bad][0])
        message = f"damaged at {at_s:.2f} s: {count} samples are no audio, the first is {value:g}"
        return np.where(bad, np.float32(0), block.samples), message

    def flush(self, captured_at: float | None = None) -> Iterator[AudioChunk]:
        """Yield the samples that resamplers still hold."""
        if self._monitor is not None and self._makers:
            for warning in self._monitor.finish():
                self._makers[0].warn(*warning)
        yield from self.pause(captured_at)
        self._monitor = None

    def pause(self, captured_at: float | None = None) -> Iterator[AudioChunk]:
        """Yield the samples that resamplers still hold, before a gap."""
        for maker in self._makers:
            yield self._noted(maker.flush(captured_at))
        self._makers = []

    def _begin(self, block: Block, like: tuple[int, int]) -> None:
        rate, channels = like
        each = numbers_of(self._channel, channels)
        self._like = like
        start = max(self.next_sample, self._start + round(block.start_s * self._to_hz))
        if is_divided(self._channel) and channels > 1 and self._monitor is None:
            self._monitor = ChannelMonitor(rate, channels)
        self._makers = [
            ChunkMaker(
                *(rate, self._to_hz),
                is_live=self._is_live,
                start=start,
                channel=channel,
                clock=self._clock,
            )
            for channel in each
        ]

    def _noted(self, chunk: AudioChunk) -> AudioChunk:
        self.next_sample = chunk.start + len(chunk.samples)
        if isinstance(self._channel, Split) and self._channel.names and chunk.channel:
            return replace(chunk, channel_name=self._channel.names[chunk.channel - 1])
        return chunk
