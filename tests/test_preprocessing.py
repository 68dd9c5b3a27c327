"""From a file to samples: every format, the same every time, and no surprise at inference."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile

from ser_rt.audio.processing import crop, level, read_audio, read_speech, reduce_noise, trim_silence
from ser_rt.config import data_config, model_config
from ser_rt.errors import AudioDecodeError, AudioNotFoundError, ConfigError
from ser_rt.preprocessing import AudioPreprocessor
from tests.support.tones import RATE, tone, write_tone

if TYPE_CHECKING:
    from pathlib import Path


def test_a_file_that_cannot_be_decoded_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AudioNotFoundError):
        read_audio(tmp_path / "none.wav")
    (tmp_path / "text.wav").write_text("not audio")
    with pytest.raises(AudioDecodeError, match=r"text\.wav"):
        read_audio(tmp_path / "text.wav")
    soundfile.write(tmp_path / "empty.wav", np.zeros(0), RATE)
    with pytest.raises(AudioDecodeError, match=r"empty\.wav"):
        read_audio(tmp_path / "empty.wav")
    soundfile.write(tmp_path / "nan.wav", np.full(RATE, np.nan), RATE, subtype="FLOAT")
    with pytest.raises(AudioDecodeError, match=r"nan\.wav is silent"):
        read_speech(tmp_path / "nan.wav")


def test_speech_is_neither_silent_nor_a_click(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "silent.wav", np.zeros(RATE), RATE)
    with pytest.raises(AudioDecodeError, match="silent"):
        read_speech(tmp_path / "silent.wav")
    with pytest.raises(AudioDecodeError, match=r"0\.050 s"):
        read_speech(write_tone(tmp_path / "click.wav", "Joy", 0.05))
    assert len(read_speech(write_tone(tmp_path / "quiet.wav", "Joy", peak=0.001))) == RATE


def test_readme_block(tmp_path: Path) -> None:
    preprocessor = AudioPreprocessor(target_sr=16000, max_duration=15.0, normalize=True)
    path = write_tone(tmp_path / "audio_file.wav", "Angry", 2.0, rate=48_000)
    processed = preprocessor.preprocess(path, apply_augmentation=True)
    assert processed.dtype == np.float32
    assert np.abs(processed).max() == pytest.approx(1.0)
    assert len(processed) == pytest.approx(2 * RATE, rel=0.1)


def test_defaults_agree_with_the_settings() -> None:
    preprocessor = AudioPreprocessor()
    assert preprocessor.max_duration == model_config.max_duration
    assert preprocessor.target_sr == model_config.sample_rate
    assert preprocessor.normalize
    assert preprocessor.apply_noise_reduction == data_config.apply_noise_reduction


def test_without_augmentation_nothing_is_random(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    noise = np.random.default_rng(0).normal(0, 0.1, 12 * RATE)
    soundfile.write(path, noise, RATE)
    preprocessor = AudioPreprocessor(max_duration=3.0)
    first = preprocessor.preprocess(path)
    assert len(first) == 3 * RATE
    np.testing.assert_array_equal(first, preprocessor.preprocess(path))
    assert not np.array_equal(
        preprocessor.preprocess(path, apply_augmentation=True),
        preprocessor.preprocess(path, apply_augmentation=True),
    )
    seeded = AudioPreprocessor(max_duration=3.0, seed=1)
    np.testing.assert_array_equal(
        seeded.preprocess(path, apply_augmentation=True),
        seeded.preprocess(path, apply_augmentation=True),
    )


def test_silence_is_trimmed_from_the_ends_only() -> None:
    quiet = np.zeros(RATE, np.float32)
    clip = np.concatenate([quiet, tone("Joy", 0.5), quiet, tone("Joy", 0.5), quiet])
    assert len(trim_silence(clip, RATE)) == pytest.approx(2 * RATE, abs=0.05 * RATE)
    assert len(trim_silence(quiet, RATE)) == RATE
    assert len(trim_silence(clip[:1], RATE)) == 1


def test_crop_keeps_the_middle() -> None:
    numbers = np.arange(10, dtype=np.float32)
    assert crop(numbers, 4).tolist() == [3, 4, 5, 6]
    assert crop(numbers, 20) is numbers
    starts = {crop(numbers, 4, np.random.default_rng(seed))[0] for seed in range(50)}
    assert starts == set(range(7))


def test_level_and_padding() -> None:
    assert np.abs(level(tone("Joy", peak=0.01))).max() == pytest.approx(1.0)
    assert not level(np.zeros(5, np.float32)).any()
    padded = AudioPreprocessor(max_duration=2.0, pad=True).process(tone("Joy"))
    assert padded.shape == (2 * RATE,)
    raw = AudioPreprocessor(normalize=False, trim=False).process(tone("Joy"))
    np.testing.assert_array_equal(raw, tone("Joy"))


def test_noise_reduction_helps() -> None:
    pytest.importorskip("scipy")
    clean = np.concatenate([np.zeros(RATE, np.float32), tone("Angry", 1.0)])
    noise = np.random.default_rng(0).normal(0, 0.02, len(clean)).astype(np.float32)
    reduced = AudioPreprocessor(trim=False, normalize=False, apply_noise_reduction=True).process(
        clean + noise
    )
    assert reduced.shape == clean.shape
    assert reduced.dtype == np.float32
    assert np.square(reduced - clean).mean() < 0.5 * np.square(noise).mean()
    assert len(reduce_noise(clean[:100])) == 100


@pytest.mark.parametrize("bad", [{"max_duration": 0.0}, {"target_sr": -1}])
def test_impossible_settings_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        AudioPreprocessor(**bad)  # type: ignore[arg-type]  # values of several types
