"""The spectrogram inside the network against transformers' extractor, and against its own past."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from transformers import WhisperFeatureExtractor

from ser_rt.audio.processing import read_audio
from ser_rt.bundle import sample_path
from ser_rt.networks.log_mel import WhisperLogMel


@pytest.mark.parametrize("bands", [80, 128])
@pytest.mark.parametrize("samples", [6_400, 16_000, 48_137])
def test_it_equals_the_feature_extractor(bands: int, samples: int) -> None:
    wave = read_audio(sample_path(), 16_000)[8_000 : 8_000 + samples]
    extractor = WhisperFeatureExtractor(feature_size=bands)
    expected = extractor(
        wave, sampling_rate=16_000, padding="do_not_pad", truncation=False, return_tensors="pt"
    )
    found = WhisperLogMel(bands)(torch.from_numpy(wave)[None])
    assert found.shape == (1, bands, samples // 160)
    assert (found - expected["input_features"]).abs().max() < 1e-4


def test_a_stream_of_silence_is_the_floor() -> None:
    found = WhisperLogMel(80, streaming=True)(torch.zeros(1, 3_200))
    assert found.shape == (1, 80, 20)
    assert torch.allclose(found, torch.tensor(-0.5))


def test_a_stream_does_not_depend_on_later_audio() -> None:
    features = WhisperLogMel(80, streaming=True)
    wave = torch.from_numpy(np.random.default_rng(0).normal(0, 0.1, (1, 8_000)).astype(np.float32))
    whole = features(wave)
    for frames in (1, 7, 30):
        assert torch.allclose(features(wave[:, : 160 * frames]), whole[..., :frames], atol=1e-5)
