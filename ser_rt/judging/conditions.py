"""`Conditions`: what a stream passes on its way: levels, a room, noise, a telephone line."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from ser_rt.audio.discovery import find_audio
from ser_rt.audio.processing import read_audio
from ser_rt.checks import Checked, one_of, setting, within
from ser_rt.classifier import FloatArray
from ser_rt.errors import DataError
from ser_rt.evaluation.robustness import telephone
from ser_rt.files.names import printable
from ser_rt.judging.draws import Draws

LOUDNESS = ("kept", "equal")
_LEVEL_DBFS = -26.0
_LONGEST_ROOM_S = 1.0


@dataclass(frozen=True)
class Conditions(Checked):
    """Changes of a stream, in this order."""

    loudness: str = setting(
        "kept", "levels of the clips: kept, or equal (-26 dBFS each)", one_of(LOUDNESS)
    )
    rooms: str | None = setting(None, "folder of impulse responses: each stream is in one of them")
    noise: str | None = setting(None, "folder of noise: each stream has a stretch of one of them")
    snr: float = setting(15.0, "dB that the noise is below the speech", within(-20, 80))
    telephone: bool = setting(False, "pass a telephone line (8 kHz, mu-law)")  # noqa: FBT003 (a default)

    def clip(self, samples: FloatArray) -> FloatArray:
        """Level one clip."""
        if self.loudness == "kept":
            return samples
        rms = float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))
        gain = 10 ** (_LEVEL_DBFS / 20) / max(rms, 1e-9)
        peak = float(np.abs(samples).max(initial=1e-9))
        return np.asarray(samples * np.float32(min(gain, 1 / peak)), np.float32)

    def stream(self, samples: FloatArray, draws: Draws, sample_rate: int) -> FloatArray:
        """Pass a whole stream through a room, noise and a telephone line."""
        if self._responses:
            samples = _in_room(samples, self._audio(draws.one(self._responses), sample_rate))
        if self._noises:
            samples = self._noisy(samples, self._audio(draws.one(self._noises), sample_rate), draws)
        return telephone(samples) if self.telephone else samples

    def _noisy(self, samples: FloatArray, noise: FloatArray, draws: Draws) -> FloatArray:
        stretch = np.resize(np.roll(noise, -draws.below(max(len(noise), 1))), len(samples))
        loud = np.abs(samples) > 0
        speech = float(np.mean(np.square(samples[loud], dtype=np.float64))) if loud.any() else 0.0
        power = float(np.mean(np.square(stretch, dtype=np.float64)))
        gain = np.sqrt(speech / max(power, 1e-12)) * 10 ** (-self.snr / 20)
        return np.asarray(np.clip(samples + np.float32(gain) * stretch, -1, 1), np.float32)

    @cached_property
    def _responses(self) -> list[str]:
        return _files(self.rooms, "impulse responses")

    @cached_property
    def _noises(self) -> list[str]:
        return _files(self.noise, "noise")

    @staticmethod
    def _audio(path: str, sample_rate: int) -> FloatArray:
        return read_audio(path, sample_rate)


def _files(folder: str | None, what: str) -> list[str]:
    if folder is None:
        return []
    files = sorted(find_audio(Path(folder)).audio) if Path(folder).is_dir() else []
    if not files:
        msg = f"{printable(folder)} holds no audio: give a folder of {what}"
        raise DataError(msg)
    return files


def _in_room(samples: FloatArray, response: FloatArray, sample_rate: int = 16_000) -> FloatArray:
    direct = int(np.abs(response).argmax())
    response = response[direct : direct + round(_LONGEST_ROOM_S * sample_rate)]
    size = 1 << (len(samples) + len(response) - 1).bit_length()
    wet = np.fft.irfft(np.fft.rfft(samples, size) * np.fft.rfft(response, size), size)
    wet = wet[: len(samples)]
    gain = np.sqrt(np.mean(np.square(samples)) / max(float(np.mean(np.square(wet))), 1e-12))
    return np.asarray(np.clip(wet * gain, -1, 1), np.float32)
