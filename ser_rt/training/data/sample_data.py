"""Synthetic clips to try the tools on before there are recordings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile

from ser_rt.classifier import FloatArray
from ser_rt.constants import SAMPLE_RATE
from ser_rt.errors import OutputError


def write_sample_data(folder: Path, labels: Sequence[str], takes: int) -> None:
    """Write one folder for each emotion, with `takes` clips of 1.5 s in it.

    No speech and no emotion: noise in a rhythm and of a colour that stand for a label.

    Raises:
        OutputError: the folder cannot be written.
    """
    for number, label in enumerate(labels):
        for take in range(takes):
            path = folder / label / f"sample_{take:03}.wav"
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                soundfile.write(path, _clip(number, take), SAMPLE_RATE)
            except (OSError, soundfile.LibsndfileError) as error:
                msg = f"cannot write {path}: {error}"
                raise OutputError(msg) from error


def _clip(number: int, take: int, seconds: float = 1.5) -> FloatArray:
    rng = np.random.default_rng((number, take))
    time_s = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    spectrum = np.fft.rfft(rng.standard_normal(time_s.size))
    spectrum *= np.exp(-np.linspace(0, 1 + 6 * rng.random(), spectrum.size))
    rhythm_hz = 1.5 * 1.25**number
    gate = np.sin(2 * np.pi * (rhythm_hz * time_s + rng.random())) > 0
    wave = np.fft.irfft(spectrum, time_s.size) * (0.02 + gate)
    return np.asarray(0.3 * wave / np.abs(wave).max(), np.float32)
