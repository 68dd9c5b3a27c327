import numpy as np
import pytest
import torch

from ser_rt.networks.compact import FFT, FRAME, HOP, LogMel, mel_filters, shift
from tests.conftest import make_wave


@pytest.mark.parametrize("samples", [400, 479, 480, 559, 560, 8_000, 16_001, 48_000])
def test_the_features_are_those_of_a_fourier_transform(samples: int) -> None:
    wave = make_wave(samples / 16_000)
    window = np.hanning(FRAME + 1)[:-1]
    frames = np.lib.stride_tricks.sliding_window_view(wave.astype(np.float64), FRAME)[::HOP]
    power = np.square(np.abs(np.fft.rfft(frames * window, FFT)))
    logmel = np.log(np.maximum(power @ mel_filters(40).numpy().T, 1e-8)).T
    logmel = np.maximum(logmel, logmel.max() - 14.0)
    centred = logmel - logmel.mean(axis=1, keepdims=True)
    expected = centred / (np.sqrt(np.square(centred).mean(axis=1, keepdims=True)) + 0.3)
    features = LogMel(40)(torch.from_numpy(wave)[None])[0].numpy()
    assert features.shape == expected.shape == (40, (samples - FRAME) // HOP + 1)
    assert np.abs(features - expected).max() < 1e-3


def test_gain_and_silence() -> None:
    wave = torch.from_numpy(make_wave(1.0))[None]
    features = LogMel(40)
    assert torch.allclose(features(wave), features(wave * 0.1), atol=1e-3)
    assert features(torch.zeros(1, 16_000)).abs().max() < 1e-4


def test_a_shift_moves_bands_and_keeps_the_shape() -> None:
    torch.manual_seed(0)
    features = torch.arange(40.0).view(1, 40, 1).repeat(8, 1, 5)
    moved = shift(features)
    steps = {int(value) for value in (moved - features)[:, 10, 0]}
    assert len(steps) > 1
    assert steps <= set(range(-3, 4))
