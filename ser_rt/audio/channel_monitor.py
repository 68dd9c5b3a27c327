"""`ChannelMonitor`, which finds channels that say nothing of their own."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from ser_rt.audio.block import SourceWarning

_SAME_SHARE = 1e-4
"""Of the power: what two channels may differ by to be the same (-40 dB)."""
_QUIET = 1e-6
"""Mean square (-60 dBFS) of a second below which a channel holds no sound."""
_ENOUGH_S = 3
_SILENT_S = 30


class ChannelMonitor:
    """Finds channels that say nothing of their own, each fault once; seconds follow the samples.

    Two channels with the same sound, or of which one is the other inverted, are no two speakers;
    one that stays silent while another does not may not be connected.
    """

    def __init__(self, sample_rate: int, channels: int) -> None:
        """Watch a recording from its beginning."""
        self._rate, self._channels = sample_rate, channels
        self._told: set[str] = set()
        self._like = {"identical_channels": 0, "opposite_channels": 0}
        self._silent_s = np.zeros(channels)
        self._begin()

    def feed(self, samples: npt.NDArray[Any]) -> Iterator[SourceWarning]:
        """Yield the faults of ``[frames, channels]``, float or int16."""
        scale = 1.0 if samples.dtype.kind == "f" else 1 / 32768
        taken = 0
        while taken < len(samples):
            count = min(len(samples) - taken, self._rate - self._frames)
            self._add(samples[taken : taken + count].astype(np.float64) * scale)
            taken += count
            if self._frames == self._rate:
                yield from self._second()
                self._begin()

    def finish(self) -> Iterator[SourceWarning]:
        """Yield what is to say of a recording at its end: channels without any sound."""
        yield from self._silent(1)

    def _begin(self) -> None:
        self._frames = 0
        self._power = np.zeros(self._channels)
        self._difference = self._sum = 0.0

    def _add(self, samples: npt.NDArray[np.float64]) -> None:
        self._frames += len(samples)
        self._power += np.square(samples).sum(axis=0)
        if self._channels == 2:
            first, second = samples.T
            self._difference += float(np.square(first - second).sum())
            self._sum += float(np.square(first + second).sum())

    def _second(self) -> Iterator[SourceWarning]:
        power = self._power / self._frames
        sounds = power > _QUIET
        self._silent_s[sounds] = -math.inf
        if sounds.any():
            self._silent_s[~sounds] += 1
        if self._channels == 2 and sounds.all():
            total = float(self._power.sum())
            for code, rest in (
                ("identical_channels", self._difference),
                ("opposite_channels", self._sum),
            ):
                self._like[code] += rest < _SAME_SHARE * total
                if self._like[code] == _ENOUGH_S:
                    yield from self._once(code, _LIKE[code])
        yield from self._silent(_SILENT_S)

    def _silent(self, least_s: int) -> Iterator[SourceWarning]:
        for number, silent_s in enumerate(self._silent_s, 1):
            if silent_s >= least_s:
                message = f"channel {number} is silent while others are not: is it connected?"
                yield from self._once("silent_channel", message, number)

    def _once(self, code: str, message: str, number: int = 0) -> Iterator[SourceWarning]:
        key = f"{code} {number}"
        if key not in self._told:
            self._told.add(key)
            yield SourceWarning(code, message)


_LIKE = {
    "identical_channels": "both channels hold the same sound: there are no two speakers to split",
    "opposite_channels": "one channel is the other inverted: there are no two speakers to split",
}
