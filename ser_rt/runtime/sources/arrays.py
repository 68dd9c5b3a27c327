"""Arrays that a program hands over, of any rate and size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from ser_rt.config import SAMPLE_RATE
from ser_rt.runtime.audio import AudioChunk, AudioSource, ChunkMaker, as_array, checked_rate


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
        rate: int = SAMPLE_RATE,
    ) -> None:
        """Name the arrays, the rate in Hz to convert to, and the rate they have."""
        self._arrays = arrays
        self._maker = ChunkMaker(rate, sample_rate)
        self._block = checked_rate(rate)

    def __iter__(self) -> Iterator[AudioChunk]:
        """Yield chunks of a second at most, so that events of a long array come early."""
        for array in self._arrays:
            samples = np.atleast_1d(as_array(array))
            for start in range(0, len(samples), self._block):
                yield self._maker.feed(samples[start : start + self._block])
        yield self._maker.flush()
