"""`FeatureCache`: windows that overlap share features, each of which is computed once.

The frames of a convolution encoder are local. Frame k of the window that starts at sample s covers
samples ``s + stride * k`` up to ``s + stride * k + receptive_field`` and no others, so a window
whose start lies a whole number of strides behind that of an earlier one finds its first frames
there.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ser_rt.classifier import FeatureClassifier, FloatArray
from ser_rt.errors import BundleInvalidError
from ser_rt.manifest import FeatureReuse
from ser_rt.runtime.backends.graphs import frames_of
from ser_rt.runtime.recognizers.windower import Window


class _Frames(NamedTuple):
    start: int
    """Sample at which the first frame begins."""
    values: FloatArray
    """Float32 ``[frames, channels]``."""


class FeatureCache:
    """Classifies the windows of one stream in order of time.

    Features are computed when a window needs them, and only those that no window before has
    left: audio in no window costs nothing. What is computed when follows from the windows alone,
    so chunking changes no digit. At most the frames of one window are kept for each
    distance of window starts from the frames' grid: one if the hop is a multiple of the stride.
    """

    def __init__(self, classifier: FeatureClassifier, reuse: FeatureReuse) -> None:
        """Start a stream over a shared classifier."""
        self._classifier = classifier
        self._reuse, self._stride = reuse, reuse.stride
        self._kept: dict[int, _Frames] = {}

    def __call__(self, window: Window) -> FloatArray:
        """Return the probabilities ``[labels]`` of a window of at least one frame."""
        probabilities: FloatArray = self._classifier.classify_features(
            self._frames(window)[np.newaxis]
        )[0]
        return probabilities

    def _frames(self, window: Window) -> FloatArray:
        count = frames_of(self._reuse, len(window.samples))
        phase = window.start % self._stride
        frames = self._known(phase, window.start, count)
        if len(frames) < count:
            fresh = self._classifier.features(
                window.samples[np.newaxis, len(frames) * self._stride :]
            )[0]
            frames = np.concatenate((frames, fresh)) if len(frames) else fresh
        if len(frames) != count:
            msg = (
                f"{len(window.samples)} samples have {len(frames)} frames of features, not {count} "
                "as the bundle's manifest says; export it again"
            )
            raise BundleInvalidError(msg)
        alive = {p: f for p, f in self._kept.items() if self._end(f) > window.start}
        self._kept = alive | {phase: _Frames(window.start, frames)}
        return frames

    def _known(self, phase: int, start: int, count: int) -> FloatArray:
        """Return the first frames of a window, as far as an earlier one has left them."""
        kept = self._kept.get(phase)
        if kept is None or start < kept.start:
            return np.empty((0, 0), np.float32)
        passed = (start - kept.start) // self._stride
        return kept.values[passed : passed + count]

    def _end(self, frames: _Frames) -> int:
        return frames.start + self._stride * len(frames.values)
