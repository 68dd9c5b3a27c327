"""The network that tells speakers apart, from a checkpoint with the names of pyannote.audio."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ser_rt.export.speaker_network import RATE_HZ, SpeakerNetwork, load, write
from ser_rt.runtime.backends.ort import onnxruntime
from tests.conftest import make_wave

SINC = "sincnet.conv1d.0.filterbank."
NAMES = {
    "level": "sincnet.wav_norm1d",
    "filters": "sincnet.conv1d",
    "norms": "sincnet.norm1d",
    "lstm": "lstm",
    "layers": "linear",
    "output": "classifier",
}


def checkpoint() -> dict[str, torch.Tensor]:
    """Random weights; bands of 100 Hz side by side."""
    torch.manual_seed(1)
    state = {
        f"{NAMES[name.partition('.')[0]]}.{name.partition('.')[2]}"
        if "lstm" not in name
        else name: weight
        for name, weight in SpeakerNetwork().state_dict().items()
        if name != "filters.0.weight"
    }
    half = 125
    return state | {
        f"{SINC}low_hz_": 100.0 * torch.arange(40)[:, None],
        f"{SINC}band_hz_": torch.full((40, 1), 50.0),
        f"{SINC}window_": torch.from_numpy(np.hamming(251)[:half]).float(),
        f"{SINC}n_": 2 * torch.pi * torch.arange(-half, 0.0)[None] / RATE_HZ,
    }


def test_a_filter_passes_its_band_and_no_other() -> None:
    network: Any = load(checkpoint())
    filters = network.filters[0].weight.detach().numpy()[:, 0]
    spectra = np.abs(np.fft.rfft(filters, 4096, axis=1))
    strongest_hz = spectra.argmax(axis=1) * RATE_HZ / 4096
    expected_hz = 50 + 100 * np.arange(40) + 50
    assert np.abs(strongest_hz[:40] - expected_hz).max() < 60
    assert np.abs(strongest_hz[41:] - expected_hz[1:]).max() < 60  # the odd ones


@pytest.mark.slow
def test_what_is_written_answers_as_the_network_does(tmp_path: Path) -> None:
    network, path = load(checkpoint()), tmp_path / "network.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch's exporter
        write(network, path)
    session = onnxruntime().InferenceSession(path, providers=["CPUExecutionProvider"])
    for seconds in (1.0, 3.0):
        audio = make_wave(seconds)[None]
        (found,) = session.run(None, {"audio": audio})
        with torch.no_grad():
            wanted = network(torch.from_numpy(audio)).numpy()
        assert found.shape == wanted.shape
        assert np.abs(found - wanted).max() < 0.02
