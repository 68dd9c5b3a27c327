"""`classify`: waveforms of any lengths in few model calls, with the results of one by one."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ser_rt.classifier import EmotionClassifier, FloatArray

DEFAULT_BATCH_SIZE = 8


def windows_of(samples: FloatArray, max_samples: int) -> list[FloatArray]:
    """Return the fewest equal windows of at most `max_samples`; fewer samples than windows remain.

    >>> [len(w) for w in windows_of(np.zeros(25, np.float32), 10)]
    [8, 8, 8]
    """
    count = math.ceil(len(samples) / max_samples)
    width = len(samples) // max(count, 1)
    return [samples[i * width : (i + 1) * width] for i in range(count)]


def classify(
    classifier: EmotionClassifier,
    waveforms: Sequence[FloatArray],
    max_duration_s: float,
    batch_size: int = DEFAULT_BATCH_SIZE,
) -> FloatArray:
    """Classify waveforms of any lengths into probabilities ``[len(waveforms), labels]``.

    Only windows of the same length share a call, so nothing is padded, and a waveform gets the
    same probabilities alone and in company (up to the rounding of float32). One longer than
    `max_duration_s` gets the mean over its `windows_of`.
    """
    max_samples = round(max_duration_s * classifier.sample_rate)
    by_length: defaultdict[int, list[tuple[int, FloatArray]]] = defaultdict(list)
    pieces = np.zeros(len(waveforms), np.int64)
    for owner, samples in enumerate(waveforms):
        for window in windows_of(samples, max_samples):
            by_length[len(window)].append((owner, window))
            pieces[owner] += 1
    sums = np.zeros((len(waveforms), len(classifier.labels)), np.float32)
    for group in by_length.values():
        for first in range(0, len(group), batch_size):
            batch = group[first : first + batch_size]
            probabilities = classifier(np.stack([window for _, window in batch]))
            np.add.at(sums, [owner for owner, _ in batch], probabilities)
    return np.asarray(sums / np.maximum(pieces, 1)[:, None], np.float32)
