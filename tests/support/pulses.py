"""A corpus that a network can learn in seconds: emotions are rhythms, speakers are colours."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import soundfile

from ser_rt.classifier import FloatArray

RATE = 16_000
RHYTHM_HZ = {"Neutral": 1.0, "Angry": 4.0, "Joy": 12.0}


def pulses(emotion: str, speaker: int, take: int, seconds: float = 1.5) -> FloatArray:
    """Noise of a speaker's colour, switched on and off in the rhythm of the emotion."""
    rng = np.random.default_rng((speaker, take, *emotion.encode()))
    time_s = np.arange(round(seconds * RATE)) / RATE
    noise = np.fft.rfft(rng.standard_normal(time_s.size))
    noise *= np.exp(-np.linspace(0, 1 + speaker, noise.size))
    phase = rng.uniform(0, 2 * np.pi)
    gate = np.sin(2 * np.pi * RHYTHM_HZ[emotion] * time_s + phase) > 0
    wave = np.fft.irfft(noise, time_s.size) * (0.02 + gate)
    return np.asarray(0.3 * wave / np.abs(wave).max(), np.float32)


def write_corpus(folder: Path, speakers: int = 4, takes: int = 6) -> Path:
    """Write clips and their manifest; returns the manifest."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for speaker in range(speakers):
        for emotion in RHYTHM_HZ:
            for take in range(takes):
                name = f"{speaker}_{emotion}_{take}.wav"
                soundfile.write(folder / name, pulses(emotion, speaker, take), RATE)
                rows.append([name, emotion, f"s{speaker}", "pulses", "permissive"])
    manifest = folder / "manifest.csv"
    with manifest.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file_path", "emotion", "speaker", "dataset", "licence_class"])
        writer.writerows(rows)
    return manifest
