"""`SignalMonitor`: faults of a microphone's signal, reported once and not at every block."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from ser_rt.audio.block import SourceWarning

FULL_SCALE = 0.9995
CLIPPED_SHARE = 0.001
OFFSET = 0.05
SPAN_S = 1.0
MUTE_S = 3.0
DRIFT_SPAN_S = 10.0
DRIFT_PPM = 500.0


class SignalMonitor:
    """Watches one capture: clipping, digital silence, DC offset, and the device's clock.

    Each fault is reported when it begins, and again only after it has been gone for a while.
    """

    def __init__(self, sample_rate: int) -> None:
        self._rate = sample_rate
        self._faults: set[str] = set()
        self.drift = Drift(sample_rate)
        self._zero_s = 0.0
        self._start_span()

    def feed(
        self, samples: npt.NDArray[np.float32], end_frame: int, captured_at: float
    ) -> Iterator[SourceWarning]:
        """Yield new faults of float32 ``[frames, channels]`` that end at ``end_frame``."""
        self.drift.feed(end_frame, captured_at)
        self._frames += len(samples)
        self._sum += float(samples.sum()) / samples.shape[1]
        peak = max(float(samples.max()), -float(samples.min()))
        if peak >= FULL_SCALE:
            self._clipped += int(np.count_nonzero(np.abs(samples).max(axis=1) >= FULL_SCALE))
        self._zero_s = 0.0 if peak > 0 else self._zero_s + len(samples) / self._rate
        if self._frames < SPAN_S * self._rate:
            return
        share, offset = self._clipped / self._frames, self._sum / self._frames
        zero_s, ppm = self._zero_s, self.drift.ppm or 0.0
        found = (
            ("clipping", share > CLIPPED_SHARE, f"{share:.1%} of the samples are at full scale"),
            ("dc_offset", abs(offset) > OFFSET, f"the signal is off by {offset:.2f}"),
            ("digital_silence", zero_s >= MUTE_S, f"{zero_s:.0f} s of zeros: is it muted?"),
            ("clock_drift", abs(ppm) > DRIFT_PPM, f"the device's clock is off by {ppm:.0f} ppm"),
        )
        for code, is_so, message in found:
            if is_so and code not in self._faults:
                yield SourceWarning(code, message)
        self._faults = {code for code, is_so, _ in found if is_so}
        self._start_span()

    def _start_span(self) -> None:
        self._frames = self._clipped = 0
        self._sum = 0.0


class Drift:
    """Compares a device's clock with this machine's.

    A block can be late and never early, so the least late one of each span is taken. ``ppm`` is
    how much faster the device's clock is, in millionths, None while that is unknown.
    """

    def __init__(self, sample_rate: int) -> None:
        self._rate = sample_rate
        self._first: tuple[float, float] | None = None
        self._span_end_s = -math.inf
        self._least: tuple[float, float] = (math.inf, 0.0)
        self.ppm: float | None = None

    def feed(self, end_frame: int, captured_at: float) -> None:
        """Note that the frames before ``end_frame`` had arrived at ``captured_at``."""
        lateness_s = captured_at - end_frame / self._rate
        if captured_at >= self._span_end_s:
            if self._least[0] < math.inf:
                self._close_span()
            self._span_end_s = captured_at + DRIFT_SPAN_S
            self._least = (lateness_s, captured_at)
        self._least = min(self._least, (lateness_s, captured_at))

    def lost_frames(self, end_frame: int, captured_at: float) -> int:
        """Return how many frames the device lost before ``end_frame``, judged by the clock."""
        lateness_s = captured_at - end_frame / self._rate
        return max(0, round((lateness_s - min(self._least[0], lateness_s)) * self._rate))

    def _close_span(self) -> None:
        if self._first is None:
            self._first = self._least
            return
        late_s = self._least[0] - self._first[0]
        passed_s = self._least[1] - self._first[1]
        if passed_s > DRIFT_SPAN_S:
            self.ppm = round(-1e6 * late_s / passed_s, 1)
