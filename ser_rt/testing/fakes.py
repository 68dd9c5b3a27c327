"""`FakeClassifier`, an `EmotionClassifier` that computes nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ser_rt.classifier import FloatArray
from ser_rt.constants import SAMPLE_RATE
from ser_rt.testing.bundles import LABELS


class FakeClassifier:
    """Returns the probabilities that a test chooses.

    Args:
        answer: the probabilities of every window, one per label (by default all equal); or a
            function from waveforms ``[batch, samples]`` to probabilities ``[batch, labels]``.
        labels: names of the emotions.
        sample_rate: in Hz.

    Example:
        >>> import numpy as np, ser_rt
        >>> from ser_rt.testing import FakeClassifier
        >>> fake = FakeClassifier((0.9, 0.1), labels=("Joy", "Sad"))
        >>> audio = np.ones(32_000, np.float32)
        >>> events = ser_rt.stream(audio, sample_rate=16_000, model=fake, vad=False)
        >>> {event.emotion for event in events}
        {'Joy'}
    """

    def __init__(
        self,
        answer: Sequence[float] | Callable[[FloatArray], FloatArray] | None = None,
        *,
        labels: Sequence[str] = LABELS,
        sample_rate: int = SAMPLE_RATE,
    ) -> None:
        self.labels, self.sample_rate = tuple(labels), sample_rate
        even = [1 / len(self.labels)] * len(self.labels)
        self._function = answer if callable(answer) else None
        self._row = np.array(even if answer is None or callable(answer) else answer, np.float32)

    def __call__(self, waveforms: FloatArray) -> FloatArray:
        """Return probabilities ``[batch, labels]`` for waveforms ``[batch, samples]``."""
        if self._function is not None:
            return self._function(waveforms)
        return np.full((len(waveforms), len(self.labels)), self._row)
