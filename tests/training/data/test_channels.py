"""Telephone lines, codecs, rooms and noise: the length stays, the sound does not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from ser_rt.audio.processing import read_audio
from ser_rt.bundle import sample_path
from ser_rt.config import DataConfig
from ser_rt.constants import SAMPLE_RATE
from ser_rt.errors import DataError
from ser_rt.training.data.augmentation import Augmenter
from ser_rt.training.data.backgrounds import Noises, Rooms
from ser_rt.training.data.channels import CHANNELS, clip, pass_channel
from tests.conftest import make_wave

SPEECH = read_audio(sample_path(), SAMPLE_RATE)[16_000:40_000]


def band_db(samples: np.ndarray, low_hz: float, high_hz: float) -> float:
    power = np.square(np.abs(np.fft.rfft(samples)))
    hz = np.fft.rfftfreq(samples.size, 1 / SAMPLE_RATE)
    return float(10 * np.log10(power[(hz >= low_hz) & (hz < high_hz)].sum() + 1e-12))


@pytest.mark.parametrize("name", CHANNELS)
def test_a_channel_keeps_length_and_words_and_follows_its_seed(name: str) -> None:
    change = CHANNELS[name][1]
    found = change(SPEECH, np.random.default_rng(1))
    assert found.dtype == np.float32
    assert found.shape == SPEECH.shape
    assert not np.allclose(found, SPEECH, atol=1e-3)
    assert np.corrcoef(found, SPEECH)[0, 1] > 0.6, "it is in step with the original"
    assert np.array_equal(found, change(SPEECH, np.random.default_rng(1)))


@pytest.mark.parametrize("name", ["g711", "gsm"])
def test_a_telephone_has_its_band(name: str) -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, SAMPLE_RATE).astype(np.float32)
    found = CHANNELS[name][1](noise, np.random.default_rng(1))
    assert band_db(found, 4_200, 8_000) < band_db(found, 1_000, 3_000) - 30


@pytest.mark.parametrize("name", CHANNELS)
@pytest.mark.parametrize("samples", [1_600, 1_601])
def test_short_and_silent_clips_survive(name: str, samples: int) -> None:
    for wave in (np.zeros(samples, np.float32), 3 * make_wave(1.0)[:samples]):
        found = CHANNELS[name][1](wave, np.random.default_rng(2))
        assert found.shape == wave.shape
        assert np.isfinite(found).all()


def test_shares_of_channels_add_up() -> None:
    assert sum(share for share, _ in CHANNELS.values()) == pytest.approx(1.0)
    assert pass_channel(SPEECH, np.random.default_rng(0)).shape == SPEECH.shape


def test_clipping_cuts_peaks() -> None:
    found = clip(SPEECH, np.random.default_rng(0))
    assert 0.2 <= np.abs(found).max() / np.abs(SPEECH).max() <= 0.8


def write(folder: Path, name: str, samples: np.ndarray) -> None:
    folder.mkdir(exist_ok=True)
    soundfile.write(folder / name, samples, SAMPLE_RATE, subtype="FLOAT")


def test_noise_is_0_to_30_db_below_the_clip(tmp_path: Path) -> None:
    write(tmp_path / "noise", "hum.wav", make_wave(0.5, seed=9))
    noises = Noises(tmp_path / "noise")
    for seed in range(10):
        added = noises(SPEECH, np.random.default_rng(seed)) - SPEECH
        assert -0.1 <= 10 * np.log10(np.square(SPEECH).mean() / np.square(added).mean()) <= 30.1


def test_a_room_starts_with_the_direct_sound_and_keeps_the_level(tmp_path: Path) -> None:
    response = np.zeros(8_000, np.float32)
    response[100], response[900] = 0.5, 0.25
    write(tmp_path / "rooms", "hall.wav", response)
    found = Rooms(tmp_path / "rooms")(SPEECH, np.random.default_rng(0))
    expected = SPEECH.copy()
    expected[800:] += 0.5 * SPEECH[:-800]
    assert np.square(found).mean() == pytest.approx(np.square(SPEECH).mean(), rel=1e-3)
    assert np.corrcoef(found, expected)[0, 1] > 0.999


def test_folders_are_options_and_must_hold_audio(tmp_path: Path) -> None:
    assert Augmenter.from_settings(DataConfig()) == Augmenter()
    write(tmp_path / "noise", "hum.wav", make_wave(0.5, seed=9))
    everything = Augmenter.from_settings(
        DataConfig(channel_share=0.9, noise_dir=str(tmp_path / "noise"))
    )
    for seed in range(20):
        found = everything(SPEECH, np.random.default_rng(seed))
        assert np.array_equal(found, everything(SPEECH, np.random.default_rng(seed)))
        assert np.isfinite(found).all()
    (tmp_path / "empty").mkdir()
    for folder in ("empty", "none"):
        with pytest.raises(DataError, match=folder):
            Augmenter.from_settings(DataConfig(rooms_dir=str(tmp_path / folder)))
