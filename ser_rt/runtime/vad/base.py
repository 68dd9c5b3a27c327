"""Whether there is speech in a window at all."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple, Protocol

import numpy as np

from ser_rt.classifier import FloatArray


class SpeechShare(NamedTuple):
    """How much speech a gate found in a window.

    Attributes:
        probability: Mean probability of speech over the window, in [0, 1].
        share: Share of the window that belongs to speech, its short pauses included, in [0, 1].
    """

    probability: float
    share: float


class Vad(Protocol):
    """Follows one stream and tells how much speech is in its windows."""

    now: float
    """Probability of speech in the newest frame."""

    def feed(self, samples: FloatArray, start: int) -> None:
        """Hear float32 ``[samples]`` from index ``start``; a jump of the index is a gap."""
        ...

    def heard(self, start: int, end: int) -> SpeechShare:
        """Return the speech from sample ``start`` to ``end``, the last one fed.

        Windows are asked for in order: what lies before ``start`` may be forgotten.
        """
        ...


class FrameVad(ABC):
    """Cuts a stream into frames by sample index, so that chunking never changes an answer."""

    def __init__(self, frame: int) -> None:
        """Set the length of a frame in samples."""
        self._frame = frame
        self._rest: FloatArray = np.zeros(0, np.float32)
        self._begin(0)

    def feed(self, samples: FloatArray, start: int) -> None:
        """Hear samples; after a gap frames begin anew."""
        if start != self._end:
            self._begin(start)
        self._end += len(samples)
        joined = np.concatenate((self._rest, samples)) if len(self._rest) else samples
        whole = len(joined) // self._frame * self._frame
        self._rest = joined[whole:].copy()
        if whole:
            self._hear(joined[:whole].reshape(-1, self._frame))
            self.now = self._probabilities[-1]

    def heard(self, start: int, end: int) -> SpeechShare:
        """Return the speech in the frames of a window."""
        last = len(self._probabilities) - 1
        passed = max(0, min((start - self._origin) // self._frame, last))
        del self._probabilities[:passed]
        del self._is_speech[:passed]
        self._origin += passed * self._frame
        if not self._probabilities:
            # Audio of less than a frame, and nothing follows it: the state may be used up.
            samples = self._rest[: end - start]
            self._hear(np.pad(samples, (0, self._frame - len(samples)))[np.newaxis])
        count = len(self._probabilities)
        return SpeechShare(sum(self._probabilities) / count, sum(self._is_speech) / count)

    def _begin(self, start: int) -> None:
        self._origin = self._end = start
        self._rest = self._rest[:0]
        self._probabilities: list[float] = []
        self._is_speech: list[bool] = []
        self.now = 0.0
        self._forget()

    def _forget(self) -> None:
        """Start as with a new stream."""
        return

    @abstractmethod
    def _hear(self, frames: FloatArray) -> None:
        """Append a probability and a verdict for each of float32 ``[frames, samples]``."""


class LevelVad(FrameVad):
    """Takes sound for speech: the share of 10 ms frames louder than a level.

    It knows digital zeros and a quiet room from everything else. A fan, music or a cough above
    the level counts as speech.
    """

    def __init__(self, sample_rate: int, level_dbfs: float = -55.0) -> None:
        """Set the level in dB below a full-scale square wave."""
        self._mean_square = 10.0 ** (level_dbfs / 10.0)
        super().__init__(max(1, sample_rate // 100))

    def _hear(self, frames: FloatArray) -> None:
        is_loud = (np.einsum("ij,ij->i", frames, frames) / self._frame > self._mean_square).tolist()
        self._is_speech += is_loud
        self._probabilities += map(float, is_loud)
