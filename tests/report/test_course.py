from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ser_rt.report.course import BIN_S, BINS, Course
from tests.conftest import RATE, make_wave


def test_bins_double_and_lose_nothing() -> None:
    course, quiet = Course(2, RATE), np.full(RATE, 0.1, np.float32)
    hours = 3
    for minute in range(60 * hours):
        course.add_audio(quiet, 60 * RATE * minute)
        course.add_emotion(minute % 2, 60.0 * minute, 60.0 * minute + 30)
        course.add_speech(60.0 * minute, 60.0 * minute + 30)
    assert course.bin_s > BIN_S
    assert course.named_s.nbytes == BINS * 2 * 8
    assert course.samples.sum() == 60 * hours * RATE
    assert course.named_s.sum(axis=0) == pytest.approx([900.0 * hours] * 2)
    assert course.speech_s.sum() == pytest.approx(1800.0 * hours)
    assert course.power.sum() == pytest.approx(60 * hours * RATE * 0.01, rel=1e-4)


@given(st.lists(st.integers(1, 20_000), min_size=1, max_size=12))
def test_however_the_audio_is_cut_it_is_as_loud(sizes: list[int]) -> None:
    wave = make_wave(sum(sizes) / RATE)
    whole, cut = Course(1, RATE), Course(1, RATE)
    whole.add_audio(wave, 0)
    for size, end in zip(sizes, np.cumsum(sizes).tolist(), strict=True):
        cut.add_audio(wave[end - size : end], end - size)
    edges = np.linspace(0, len(wave) / RATE, 7)
    assert cut.loudness(edges) == pytest.approx(whole.loudness(edges))
    mean = np.sqrt(np.mean(np.square(wave, dtype=np.float64)))
    assert whole.loudness(np.array([0, 2 * len(wave) / RATE])) == pytest.approx(mean)


@given(st.floats(0, 900), st.floats(0.01, 300), st.floats(0, 1))
def test_what_lies_between_edges_adds_up(start_s: float, length_s: float, cut: float) -> None:
    course = Course(3, RATE)
    course.add_emotion(1, start_s, start_s + length_s)
    course.add_speech(start_s, start_s + length_s)
    middle = start_s + cut * length_s
    parts = course.named_between(np.array([0, middle, 2000.0]))
    assert parts.sum() == pytest.approx(course.named_in_turns_s.sum())
    assert parts[:, [0, 2]].sum() == 0
    # Both ends are in bins that are partly spoken, and count as far as they are.
    assert parts.sum() == pytest.approx(length_s, abs=2 * course.bin_s)


def test_an_emotion_counts_only_where_somebody_speaks() -> None:
    course = Course(1, RATE)
    course.add_emotion(0, 0.0, 10.0)
    assert course.named_in_turns_s.sum() == 0
    course.add_speech(2.0, 5.0)
    assert course.named_between(np.array([0.0, 4.0, 10.0]))[:, 0] == pytest.approx([2.0, 1.0])
