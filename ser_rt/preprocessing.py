"""`AudioPreprocessor`, as the original module has it; the steps are in `ser_rt.audio.processing`.

Nothing here is random unless augmentation is asked for: the same file gives the same samples.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ser_rt.audio.processing import crop, level, read_audio, reduce_noise, trim_silence
from ser_rt.checks import whole
from ser_rt.classifier import FloatArray
from ser_rt.constants import SAMPLE_RATE
from ser_rt.errors import ConfigError
from ser_rt.training.data.augmentation import augment


@dataclass(frozen=True)
class AudioPreprocessor:
    """Turns a file into samples for a network.

    >>> AudioPreprocessor(max_duration=15.0).max_duration
    15.0

    Args:
        target_sr: sample rate of the result in Hz.
        max_duration: seconds to keep at most, from the middle.
        normalize: scale the largest sample to 1.
        trim: cut silence from both ends (needs librosa).
        apply_noise_reduction: subtract steady noise (needs scipy).
        pad: fill shorter clips with zeros up to `max_duration`. Networks here take any length, and
            padding would count as silence, so it is off.
        seed: where augmentation starts; None differs from run to run.
    """

    target_sr: int = SAMPLE_RATE
    max_duration: float = 10.0
    normalize: bool = True
    trim: bool = True
    apply_noise_reduction: bool = False
    pad: bool = False
    seed: int | None = None

    def __post_init__(self) -> None:
        rate = whole(self.target_sr)
        if rate is None or rate <= 0 or not self.max_duration > 0:
            msg = (
                f"target_sr {self.target_sr!r} Hz and max_duration {self.max_duration} s "
                "must be greater than 0, the rate a whole number"
            )
            raise ConfigError(msg)
        object.__setattr__(self, "target_sr", rate)

    def preprocess(self, path: str | Path, apply_augmentation: bool = False) -> FloatArray:  # noqa: FBT001, FBT002 (the original's signature)
        """Read a file and return float32 ``[samples]``, ready for a network.

        With `apply_augmentation` the stretch of a long clip is random and the clip is varied, for
        training; without it the result never changes.

        Raises:
            AudioNotFoundError: there is no such file.
            AudioDecodeError: it is not audio.
        """
        samples = read_audio(path, self.target_sr)
        rng = np.random.default_rng(self.seed) if apply_augmentation else None
        return self.process(samples, rng)

    def process(self, samples: FloatArray, rng: np.random.Generator | None = None) -> FloatArray:
        """Do the same to samples ``[samples]`` at `target_sr`; `rng` switches augmentation on."""
        if self.trim and len(samples):
            samples = trim_silence(samples, self.target_sr)
        if self.apply_noise_reduction:
            samples = reduce_noise(samples)
        length = round(self.max_duration * self.target_sr)
        samples = crop(samples, length, rng)
        if rng is not None:
            samples = augment(samples, rng)
        if self.pad and len(samples) < length:
            samples = np.pad(samples, (0, length - len(samples)))
        return level(samples) if self.normalize else samples
