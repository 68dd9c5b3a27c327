import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ser_rt.constants import SAMPLE_RATE
from ser_rt.training.data.augmentation import AUGMENTATIONS, augment
from tests.conftest import make_wave


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_each_changes_the_clip_and_keeps_its_length_within_resampling(name: str) -> None:
    wave = make_wave(1.0)
    changed = AUGMENTATIONS[name][1](wave, np.random.default_rng(3))
    assert changed.dtype == np.float32
    assert abs(changed.size - wave.size) <= 0.09 * wave.size
    assert changed.size != wave.size or not np.allclose(changed, wave)


@given(st.integers(0, 2**32))
def test_the_same_seed_gives_the_same_finite_clip(seed: int) -> None:
    wave = make_wave(0.5)
    first = augment(wave, np.random.default_rng(seed))
    second = augment(wave, np.random.default_rng(seed))
    assert np.array_equal(first, second)
    assert np.isfinite(first).all()


def test_silence_and_short_clips_survive() -> None:
    rng = np.random.default_rng(0)
    for samples in (0, 1, 100, SAMPLE_RATE):
        silent = np.zeros(samples, np.float32)
        for _ in range(5):
            assert np.isfinite(augment(silent, rng)).all()


def test_noise_is_5_to_35_db_below_the_clip() -> None:
    wave = make_wave(1.0)
    for seed in range(20):
        noisy = AUGMENTATIONS["add_noise"][1](wave, np.random.default_rng(seed))
        ratio = np.mean(np.square(wave)) / np.mean(np.square(noisy - wave))
        assert 4.9 <= 10 * np.log10(ratio) <= 35.1
