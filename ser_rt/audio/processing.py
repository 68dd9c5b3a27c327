"""Samples of a whole recording: decode, trim, reduce noise, crop, level.

Everything works on mono float32 ``[samples]`` in [-1, 1] and needs no torch. The same file gives
the same samples every time.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ser_rt.audio.chunk import SILENCE
from ser_rt.audio.sources.file import FileSource
from ser_rt.constants import SAMPLE_RATE
from ser_rt.errors import AudioDecodeError, requires
from ser_rt.files.names import printable

if TYPE_CHECKING:
    from ser_rt.classifier import FloatArray

logger = logging.getLogger(__name__)


SHORTEST_S = 0.1
"""Shortest audio in seconds that is worth classifying."""


_SILENCE_PEAK = 1e-4


_TRIM_WINDOW_S = 0.02


_GATE_WINDOW = 512


def read_audio(path: str | Path, sample_rate: int = SAMPLE_RATE) -> FloatArray:
    """Decode a whole file to mono float32 ``[samples]`` at `sample_rate` Hz, as streaming does.

    Raises:
        AudioNotFoundError: there is no such file.
        AudioDecodeError: it is not audio, breaks off, or holds none.
    """
    samples, error = read_so_far(path, sample_rate)
    if error is not None:
        raise error
    return samples


def read_so_far(
    path: str | Path, sample_rate: int = SAMPLE_RATE
) -> tuple[FloatArray, AudioDecodeError | None]:
    """Decode as much of a file as there is: its samples, and why they are not all, if so.

    Damaged stretches are silence, and logged.

    Raises:
        AudioNotFoundError: there is no such file.
        AudioDecodeError: it is not audio at all.
    """
    decoded, problem = [SILENCE], None
    with FileSource(path, sample_rate) as source:
        try:
            for chunk in source:
                decoded.append(chunk.samples)
                for warning in chunk.warnings:
                    logger.warning("%s: %s", printable(path), warning.message)
        except AudioDecodeError as error:
            problem = error
    return np.concatenate(decoded), problem


def read_speech(path: str | Path, sample_rate: int = SAMPLE_RATE) -> FloatArray:
    """Return the samples of `read_audio`; refuse those too short or quiet to hold speech.

    Raises:
        AudioNotFoundError: there is no such file.
        AudioDecodeError: it is not audio, shorter than 0.1 s, or nowhere above -80 dBFS.
    """
    samples = read_audio(path, sample_rate)
    check_speech(samples, path, sample_rate)
    return samples


def check_speech(samples: FloatArray, path: str | Path, sample_rate: int = SAMPLE_RATE) -> None:
    """Raise `AudioDecodeError` for samples too short or too quiet to hold speech."""
    if len(samples) < SHORTEST_S * sample_rate:
        seconds = len(samples) / sample_rate
        msg = f"{printable(path)} lasts {seconds:.3f} s: give {SHORTEST_S} s or more"
        raise AudioDecodeError(msg)
    if np.abs(samples).max() < _SILENCE_PEAK:
        msg = f"{printable(path)} is silent: there is no speech in it"
        raise AudioDecodeError(msg)


def trim_silence(samples: FloatArray, sample_rate: int, depth_db: float = 40.0) -> FloatArray:
    """Cut ends that are `depth_db` below the loudest 20 ms; return pure silence as it is."""
    with requires("librosa", "train"):
        from librosa.effects import trim
    width = max(1, round(_TRIM_WINDOW_S * sample_rate))
    trimmed, _ = trim(samples, top_db=depth_db, frame_length=width, hop_length=width)
    return np.asarray(trimmed, np.float32)


def reduce_noise(samples: FloatArray, strength: float = 1.5, floor: float = 0.1) -> FloatArray:
    """Subtract steady noise: in every band, the level of the quietest tenth of the frames.

    Boll: Suppression of acoustic noise in speech using spectral subtraction, IEEE Trans. ASSP
    27(2), 1979. A band is never turned down below `floor`, which keeps musical noise away.
    """
    with requires("scipy", "train"):
        from scipy.signal import istft, stft
    if len(samples) < _GATE_WINDOW:
        return samples
    _, _, spectrum = stft(samples, nperseg=_GATE_WINDOW)
    magnitude = np.abs(spectrum)
    noise = np.quantile(magnitude, 0.1, axis=1, keepdims=True)
    gain = np.maximum(1 - strength * noise / np.maximum(magnitude, 1e-12), floor)
    _, cleaned = istft(spectrum * gain, nperseg=_GATE_WINDOW)
    return np.asarray(cleaned[: len(samples)], np.float32)


def crop(samples: FloatArray, length: int, rng: np.random.Generator | None = None) -> FloatArray:
    """Keep at most `length` samples: the middle ones, or, with `rng`, a random stretch."""
    spare = len(samples) - length
    if spare <= 0:
        return samples
    start = spare // 2 if rng is None else int(rng.integers(0, spare + 1))
    return samples[start : start + length]


def level(samples: FloatArray) -> FloatArray:
    """Scale so that the largest sample is 1; silence stays silence."""
    peak = float(np.abs(samples).max(initial=0.0))
    return samples / np.float32(peak) if peak > 0 else samples
