"""Recorded noise and measured rooms from the user's folders, mixed into training clips."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
from scipy.signal import fftconvolve

from ser_rt.audio.discovery import find_audio
from ser_rt.audio.processing import read_audio
from ser_rt.classifier import FloatArray
from ser_rt.constants import SAMPLE_RATE
from ser_rt.errors import DataError
from ser_rt.training.data.decoded_cache import AudioCache, fault_table

logger = logging.getLogger(__name__)

SNR_DB = (0.0, 30.0)
_LONGEST_ROOM_S = 1.0


class Noises:
    """Recordings without speech, mixed in at 0 to 30 dB below a clip."""

    def __init__(self, folder: Path) -> None:
        recordings = AudioCache(_files(folder), strict=False)
        if recordings.faults:
            logger.warning("noise: %s", fault_table(recordings.faults, len(recordings)))
        lengths = [recordings[i].size for i in range(len(recordings))]
        self._recordings = recordings.pick(i for i, length in enumerate(lengths) if length)
        if not len(self._recordings):
            msg = f"no recording in {folder} can be used as noise: give another folder"
            raise DataError(msg)

    def __call__(self, samples: FloatArray, rng: np.random.Generator) -> FloatArray:
        """Add a random stretch of a random recording, repeated where it is too short."""
        noise = self._recordings[int(rng.integers(len(self._recordings)))]
        start = int(rng.integers(noise.size))
        stretch = np.resize(np.roll(noise, -start), samples.size)
        power = float(np.square(stretch).mean())
        if power < 1e-10:
            return samples
        level = np.sqrt(np.square(samples).mean() / power) * 10 ** (-rng.uniform(*SNR_DB) / 20)
        return np.asarray(samples + level * stretch, np.float32)


class Rooms:
    """Impulse responses of rooms, from the direct sound on and at its level."""

    def __init__(self, folder: Path) -> None:
        self._responses = [self._prepare(read_audio(path, SAMPLE_RATE)) for path in _files(folder)]

    @staticmethod
    def _prepare(response: FloatArray) -> FloatArray:
        direct = int(np.abs(response).argmax())
        response = response[direct : direct + round(_LONGEST_ROOM_S * SAMPLE_RATE)]
        return response / max(float(np.abs(response[0])), 1e-6)

    def __call__(self, samples: FloatArray, rng: np.random.Generator) -> FloatArray:
        """Convolve with a random response; the level stays."""
        response = self._responses[int(rng.integers(len(self._responses)))]
        wet = fftconvolve(samples, response)[: samples.size]
        level = np.sqrt(np.square(samples).mean() / max(float(np.square(wet).mean()), 1e-12))
        return np.asarray(wet * level, np.float32)


def _files(folder: Path) -> list[Path]:
    files = sorted(find_audio(folder).audio)
    if not files:
        msg = f"{folder} holds no recordings: give a folder with audio files"
        raise DataError(msg)
    return [Path(path) for path in files]
