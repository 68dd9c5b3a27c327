"""`ArraySource`: numpy arrays of any rate and size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from ser_rt.audio.block import Block
from ser_rt.audio.channels import Channel
from ser_rt.audio.chunk import AudioChunk, AudioSource
from ser_rt.audio.converter import BlockConverter
from ser_rt.audio.samples import as_array, checked_rate
from ser_rt.constants import SAMPLE_RATE


class ArraySource(AudioSource):
    """Numpy arrays ``[samples]`` or ``[samples, channels]``, float in [-1, 1] or int16.

    Raises:
        AudioInputError: An array of another type, with NaN or infinity, or out of range.
    """

    def __init__(
        self,
        arrays: Iterable[npt.NDArray[Any]],
        sample_rate: int = SAMPLE_RATE,
        *,
        rate: float = SAMPLE_RATE,
        channel: Channel = None,
    ) -> None:
        """Name the arrays, the rate in Hz to convert to, their own rate, and the channel to use."""
        self._arrays, self._rate = arrays, checked_rate(rate)
        self._converter = BlockConverter(sample_rate, channel=channel)

    def __iter__(self) -> Iterator[AudioChunk]:
        """Yield chunks of a second at most, so that events of a long array come early."""
        frame = 0
        for array in self._arrays:
            samples = as_array(array)
            for start in range(0, len(samples), self._rate):
                block = as_block(samples[start : start + self._rate], self._rate, frame)
                yield from self._converter.feed(block)
                frame += len(block.samples)
        yield from self._converter.flush()


def as_block(array: npt.NDArray[Any], rate: int, frame: int) -> Block:
    """Return an array as a block of a stream at a rate in Hz, of which it is at a frame.

    Raises:
        AudioInputError: It is none of numbers.
    """
    samples = as_array(array)
    samples = samples[:, np.newaxis] if samples.ndim == 1 else samples
    return Block(samples, rate, frame / rate)
