"""Augmentation of training clips: other voices, rooms, microphones, noise and levels.

Works on mono float32 ``[samples]`` at 16 kHz with an explicit random generator: the same seed
gives the same clip. Time-stretching is left out: it changes how emotional speech sounds.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import soxr
from scipy.signal import fftconvolve

from ser_rt.classifier import FloatArray
from ser_rt.config import DataConfig
from ser_rt.constants import SAMPLE_RATE
from ser_rt.training.data.backgrounds import Noises, Rooms
from ser_rt.training.data.channels import Change, clip, pass_channel

_DECAY_60_DB = 6.908  # ln(1000): the envelope exp(-6.908 t / T60) is 60 dB down at T60


def resample(samples: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Play up to 8 % faster or slower, pitch and formants with it: another voice, same words."""
    factor = float(np.exp(rng.uniform(-0.08, 0.08)))
    return np.asarray(soxr.resample(samples, SAMPLE_RATE * factor, SAMPLE_RATE, "LQ"), np.float32)


def equalize(samples: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Colour with a smooth random frequency response, as another microphone would."""
    size = _fast_size(samples.size)
    spectrum = np.fft.rfft(samples, size)
    place = np.linspace(0.0, 1.0, spectrum.size)
    gains_db = np.interp(place, np.linspace(0.0, 1.0, 6), rng.normal(0.0, 4.0, 6))
    spectrum *= (10 ** (gains_db / 20)).astype(np.float32)
    return np.asarray(np.fft.irfft(spectrum, size)[: samples.size], np.float32)


def reverberate(samples: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Add a room: an exponentially decaying noise tail (T60 0.1 to 0.5 s) behind the direct sound.

    Polack: La transmission de l'energie sonore dans les salles, 1988.
    """
    t60_s = rng.uniform(0.1, 0.5)
    time_s = np.arange(int(t60_s * SAMPLE_RATE), dtype=np.float32) / SAMPLE_RATE
    tail = _noise(rng, time_s.size) * np.exp(-_DECAY_60_DB / t60_s * time_s)
    tail *= rng.uniform(0.1, 0.5) / np.sqrt(np.square(tail).sum())
    tail[0] = 1.0
    return np.asarray(fftconvolve(samples, tail)[: samples.size], np.float32)


def add_noise(samples: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Add white to brown noise at 5 to 35 dB below the clip."""
    size = _fast_size(samples.size)
    noise = np.fft.rfft(_noise(rng, size))
    slope = rng.choice([0.0, rng.uniform(0.2, 0.8)])
    noise /= (np.maximum(1, np.arange(noise.size)) ** slope).astype(np.float32)
    steady = np.fft.irfft(noise, size)[: samples.size]
    level = np.sqrt(np.mean(np.square(samples)) / (np.mean(np.square(steady)) + 1e-20))
    return np.asarray(samples + steady * (level * 10 ** (-rng.uniform(5, 35) / 20)), np.float32)


def change_gain(samples: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Make 15 dB quieter to 10 dB louder."""
    return samples * np.float32(10 ** (rng.uniform(-15, 10) / 20))


AUGMENTATIONS: dict[str, tuple[float, Change]] = {
    "resample": (0.8, resample),
    "equalize": (0.5, equalize),
    "reverberate": (0.3, reverberate),
    "add_noise": (0.5, add_noise),
    "change_gain": (1.0, change_gain),
}
"""Changes of a clip, in this order, each with its probability."""


def _noise(rng: np.random.Generator, count: int) -> FloatArray:
    return rng.standard_normal(count, dtype=np.float32)


def _fast_size(count: int) -> int:
    """Return the next power of two: transforms of prime lengths take many times longer."""
    return 1 << (count - 1).bit_length()


@dataclass(frozen=True)
class Augmenter:
    """Varies clips ``[samples]``; their length may change by 8 %.

    Attributes:
        channels: share of the clips that pass a telephone line or a codec; half as many are
            clipped.
        noises: recordings to mix in, instead of synthetic noise for every other noisy clip.
        rooms: impulse responses, instead of synthetic tails.
    """

    channels: float = 0.0
    noises: Noises | None = None
    rooms: Rooms | None = None

    @classmethod
    def from_settings(cls, settings: DataConfig) -> Self:
        """Read the folders that the settings name.

        Raises:
            AudioError: an impulse response cannot be read.
            DataError: there is no such folder, or it holds no audio.
        """
        noises = Noises(Path(settings.noise_dir)) if settings.noise_dir else None
        rooms = Rooms(Path(settings.rooms_dir)) if settings.rooms_dir else None
        return cls(settings.channel_share, noises, rooms)

    def __call__(self, samples: FloatArray, rng: np.random.Generator) -> FloatArray:
        """Vary a clip."""
        if samples.size < SAMPLE_RATE // 10:
            return samples
        for name, (probability, change) in AUGMENTATIONS.items():
            if rng.random() < probability:
                samples = self._recorded(name, change, rng)(samples, rng)
        if self.channels and rng.random() < self.channels / 2:
            samples = clip(samples, rng)
        if self.channels and rng.random() < self.channels:
            samples = pass_channel(samples, rng)
        return samples

    def _recorded(self, name: str, synthetic: Change, rng: np.random.Generator) -> Change:
        if name == "reverberate" and self.rooms is not None:
            return self.rooms
        if name == "add_noise" and self.noises is not None and rng.random() < 0.5:
            return self.noises
        return synthetic


def augment(samples: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Vary a clip ``[samples]`` without channels and recordings; its length may change by 8 %.

    >>> augment(np.ones(16000, np.float32), np.random.default_rng(0)).dtype
    dtype('float32')
    """
    return Augmenter()(samples, rng)
