"""Whether there is speech in a window at all."""

from typing import Protocol

import numpy as np

from ser_rt.classifier import FloatArray


class SpeechGate(Protocol):
    """Tells how much speech is in a window. One per stream; it may keep state."""

    def __call__(self, samples: FloatArray, start: int) -> float:
        """Return the share of speech in [0, 1] of float32 ``[samples]`` from index ``start``."""
        ...


class LevelGate:
    """Takes sound for speech: the share of 10 ms frames louder than a level.

    It knows digital zeros and a quiet room from everything else. A fan, music or a cough above
    the level counts as speech.
    """

    def __init__(self, sample_rate: int, level_dbfs: float = -55.0) -> None:
        """Set the level in dB below a full-scale square wave."""
        self._frame = max(1, sample_rate // 100)
        self._mean_square = 10.0 ** (level_dbfs / 10.0)

    def __call__(self, samples: FloatArray, start: int) -> float:  # noqa: ARG002 (keeps no state)
        """Return the share of frames above the level."""
        if len(samples) < self._frame:
            samples = np.pad(samples, (0, self._frame - len(samples)))
        frames = samples[: len(samples) // self._frame * self._frame].reshape(-1, self._frame)
        mean_square = np.einsum("ij,ij->i", frames, frames) / self._frame
        return float(np.count_nonzero(mean_square > self._mean_square) / len(frames))
