"""A waveform gets the same probabilities alone and in company."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ser_rt.evaluation.batching import classify, windows_of
from tests.support.tones import RATE, PitchClassifier, tone


@given(st.lists(st.integers(100, 4000), max_size=12), st.integers(1, 5), st.integers(500, 5000))
@settings(deadline=None, max_examples=50)
def test_batches_change_nothing(lengths: list[int], batch_size: int, max_samples: int) -> None:
    rng = np.random.default_rng(0)
    clips = [rng.normal(0, 0.1, n).astype(np.float32) for n in lengths]
    classifier = PitchClassifier()
    together = classify(classifier, clips, max_samples / RATE, batch_size)
    assert together.shape == (len(clips), 3)
    assert all(rows <= batch_size and width <= max_samples for rows, width in classifier.calls)
    for clip, row in zip(clips, together, strict=True):
        alone = classify(classifier, [clip], max_samples / RATE, 1)[0]
        np.testing.assert_allclose(row, alone, atol=1e-6)


@given(st.integers(1, 5000), st.integers(1, 5000))
def test_windows_cover_the_clip(length: int, max_samples: int) -> None:
    numbers = np.arange(length, dtype=np.float32)
    windows = windows_of(numbers, max_samples)
    joined = np.concatenate(windows)
    assert len({len(w) for w in windows}) == 1
    assert len(windows[0]) <= max_samples
    assert length - len(windows) < len(joined) <= length
    np.testing.assert_array_equal(joined, numbers[: len(joined)])


def test_equal_lengths_share_a_call() -> None:
    classifier = PitchClassifier()
    classify(classifier, [tone("Joy"), tone("Joy", 2.0), tone("Angry")], 10.0)
    assert sorted(classifier.calls) == [(1, 2 * RATE), (2, RATE)]


def test_a_long_clip_is_classified_whole() -> None:
    half_and_half = np.concatenate([tone("Joy", 2.0), tone("Neutral", 2.0)])
    row = classify(PitchClassifier(), [half_and_half], 2.0)[0]
    assert row[0] > 0.4
    assert row[2] > 0.4
