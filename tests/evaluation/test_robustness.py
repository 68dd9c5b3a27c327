"""Conditions change what they say and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ser_rt.evaluation import robustness as stress
from tests.support.tones import RATE, PitchClassifier, tone


def voice(seconds: float = 2.0) -> np.ndarray:
    """A low and a high tone with something on every frequency."""
    noise = np.random.default_rng(5).normal(0, 0.01, round(seconds * RATE))
    mixture = tone("Neutral", seconds) + tone("Joy", seconds) + noise
    return np.asarray(mixture, np.float32)


def power_db(samples: np.ndarray, low_hz: float = 0, high_hz: float = RATE / 2) -> float:
    """Power within a band."""
    spectrum = np.square(np.abs(np.fft.rfft(samples)))
    frequency = np.fft.rfftfreq(len(samples), 1 / RATE)
    inside = (frequency >= low_hz) & (frequency < high_hz)
    return float(10 * np.log10(spectrum[inside].sum()))


@pytest.mark.parametrize("name", stress.CONDITIONS)
@given(st.integers(1600, 9000))
@settings(max_examples=5, deadline=None)
def test_conditions_keep_length_and_type(name: str, length: int) -> None:
    clip = voice()[:length]
    before = clip.copy()
    change = stress.CONDITIONS[name]
    changed = change(clip, np.random.default_rng(0))
    assert changed.shape == clip.shape
    assert changed.dtype == np.float32
    assert np.isfinite(changed).all()
    assert not np.array_equal(changed, clip)
    np.testing.assert_array_equal(clip, before)
    np.testing.assert_array_equal(changed, change(clip, np.random.default_rng(0)))


@pytest.mark.parametrize("snr_db", [20.0, 10.0])
def test_noise_has_the_ratio_it_says(snr_db: float) -> None:
    clip = voice()
    noise = stress.add_white_noise(clip, snr_db, np.random.default_rng(0)) - clip
    assert power_db(clip) - power_db(noise) == pytest.approx(snr_db, abs=0.2)


def test_telephone_keeps_its_band_only() -> None:
    clip = voice()
    changed = stress.telephone(clip)
    assert power_db(changed, 2000, 3000) == pytest.approx(power_db(clip, 2000, 3000), abs=1)
    assert power_db(changed, 100, 250) < power_db(clip, 100, 250) - 20
    assert power_db(changed, 4500, 8000) < power_db(clip, 4500, 8000) - 10


def test_codec_does_not_delay() -> None:
    time_s = np.arange(2 * RATE) / RATE
    clip = np.sin(2 * np.pi * (300 + 200 * time_s) * time_s).astype(np.float32) * 0.3  # a glide
    changed = stress.opus(clip)
    middle = slice(RATE // 2, RATE)
    lags = range(-200, 201)
    alike = [float(clip[middle] @ np.roll(changed, -lag)[middle]) for lag in lags]
    assert abs(lags[int(np.argmax(alike))]) <= 2


def test_gain_and_clipping() -> None:
    clip = voice()
    assert power_db(stress.gain(clip, 12)) - power_db(clip) == pytest.approx(12, abs=0.01)
    clipped = stress.clip(clip, 0.05)
    at_limit = np.abs(clipped) >= np.abs(clipped).max() * 0.9999
    assert at_limit.mean() == pytest.approx(0.05, abs=0.01)


@given(st.integers(1, 500), st.integers(1, 200))
def test_windows_lie_side_by_side(length: int, window: int) -> None:
    numbers = np.arange(length, dtype=np.float32)
    windows = stress.side_by_side(numbers, window)
    assert len(windows) == max(1, length // window)
    assert all(len(w) == min(window, length) for w in windows)
    np.testing.assert_array_equal(np.concatenate(windows), numbers[: sum(map(len, windows))])


def test_noise_does_not_depend_on_how_clips_are_grouped() -> None:
    clips = dict(enumerate([voice(1.0), tone("Joy"), tone("Angry")]))
    true = np.array([0, 2, 1])
    classifier = PitchClassifier()

    def classify(waveforms: list[np.ndarray]) -> np.ndarray:
        return np.concatenate([classifier(w[None]) for w in waveforms])

    together, apart = (stress.RobustnessTest(classify, RATE) for _ in range(2))  # type: ignore[arg-type]
    rows = dict(zip(clips, classify(list(clips.values())), strict=True))
    together.add(clips, rows)
    for place, clip in clips.items():
        apart.add({place: clip}, rows)
    assert together.robustness(true, None) == apart.robustness(true, None)
    assert together.windows(true, ["x", "x", "y"]) == apart.windows(true, ["x", "x", "y"])
    assert set(together.windows(true, ["x", "x", "y"])["1 s"]) == {"all", "x", "y"}
