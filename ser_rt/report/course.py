"""`Course`: how loud one channel was, and how it sounded, over time, in constant memory."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ser_rt.classifier import FloatArray

BIN_S = 0.05
"""Length of a bin at the beginning; it doubles whenever the bins do not suffice."""
BINS = 8192
"""Seven minutes of `BIN_S`; thirty hours have bins of 13 s, which is finer than a page shows."""

Array = npt.NDArray[np.float64]


class Course:
    """Sums over bins of time: of the power of samples, of speech, of emotions that are named.

    Attributes:
        bin_s: length of a bin now, in seconds.
        end_s: end of what was taken so far, in seconds.
        power: sum of the squared samples of each bin, float64 ``[bins]``.
        samples: their number, float64 ``[bins]``.
        speech_s: seconds of turns, float64 ``[bins]``.
        named_s: seconds for which an emotion is named, float64 ``[bins, emotions]``.
    """

    def __init__(self, emotions: int, sample_rate: int) -> None:
        self._rate = sample_rate
        self.bin_s, self.end_s = BIN_S, 0.0
        self.power, self.samples, self.speech_s = np.zeros((3, BINS))
        self.named_s = np.zeros((BINS, emotions))

    def add_audio(self, samples: FloatArray, start: int) -> None:
        """Take samples ``[samples]``, the first of which is sample ``start`` of the stream."""
        if not len(samples):
            return
        self._reach((start + len(samples)) / self._rate)
        bins = ((start + np.arange(len(samples))) / (self.bin_s * self._rate)).astype(np.int64)
        first = int(bins[0])
        power = np.bincount(bins - first, np.square(samples, dtype=np.float64))
        where = slice(first, first + len(power))
        self.power[where] += power
        self.samples[where] += np.bincount(bins - first)

    def add_emotion(self, emotion: int, start_s: float, end_s: float) -> None:
        """Count an emotion as named from a time to a later one."""
        where, seconds = self._seconds(start_s, end_s)
        self.named_s[where, emotion] += seconds

    def add_speech(self, start_s: float, end_s: float) -> None:
        """Count a turn."""
        where, seconds = self._seconds(start_s, end_s)
        self.speech_s[where] += seconds

    def loudness(self, edges_s: Array) -> Array:
        """Return the root mean square of the samples between edges, 0 where there are none."""
        power, samples = self._between(self.power, edges_s), self._between(self.samples, edges_s)
        mean = np.divide(power, samples, out=np.zeros_like(power), where=samples > 0)
        return np.sqrt(mean)

    def named_between(self, edges_s: Array) -> Array:
        """Return the seconds of turns with each emotion between edges, ``[n, emotions]``."""
        return self._between(self.named_in_turns_s, edges_s)

    @property
    def named_in_turns_s(self) -> Array:
        """Seconds of turns for which an emotion is named, float64 ``[bins, emotions]``.

        A window reaches beyond the speech in it, so more is named than is spoken.
        """
        return self.named_s * np.clip(self.speech_s / self.bin_s, 0, 1)[:, None]

    def _seconds(self, start_s: float, end_s: float) -> tuple[slice, Array]:
        """Return the bins of a time and the seconds of it in each."""
        self._reach(end_s)
        first, last = int(start_s / self.bin_s), int(np.ceil(end_s / self.bin_s))
        edges = np.arange(first, last + 1) * self.bin_s
        return slice(first, last), np.diff(np.clip(edges, start_s, end_s))

    def _between(self, sums: Array, edges_s: Array) -> Array:
        """Return what lies between edges; a bin that an edge cuts counts in parts."""
        total = np.concatenate([np.zeros_like(sums[:1]), np.cumsum(sums, axis=0)])
        at = np.clip(edges_s / self.bin_s, 0, BINS)
        low = np.minimum(at.astype(np.int64), BINS - 1)
        part = (at - low).reshape(-1, *[1] * (sums.ndim - 1))
        found: Array = np.diff(total[low] + part * (total[low + 1] - total[low]), axis=0)
        return np.maximum(found, 0.0)

    def _reach(self, end_s: float) -> None:
        """Double the bins until they hold a time."""
        self.end_s = max(self.end_s, end_s)
        while end_s > self.bin_s * BINS:
            self.bin_s *= 2
            for name in ("power", "samples", "speech_s", "named_s"):
                sums = getattr(self, name)
                halved = np.zeros_like(sums)
                halved[: BINS // 2] = sums[0::2] + sums[1::2]
                setattr(self, name, halved)
