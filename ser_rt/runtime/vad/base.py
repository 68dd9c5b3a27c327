"""Voice activity detection: `FrameVad` measures the share of speech in the windows of a stream."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np

from ser_rt.classifier import FloatArray


class SpeechShare(NamedTuple):
    """Speech in a window.

    Attributes:
        probability: Mean probability of speech over the window, in [0, 1].
        share: Share of the window that belongs to speech, its short pauses included, in [0, 1].
    """

    probability: float
    share: float


class Vad(Protocol):
    """Voice activity detector of one stream."""

    now: float
    """Probability of speech in the newest frame."""

    def feed(self, samples: FloatArray, start: int) -> None:
        """Process float32 ``[samples]`` from index ``start``; a jump of the index is a gap."""
        ...

    def speech(self, start: int, end: int) -> SpeechShare:
        """Return the speech from sample ``start`` to ``end``, the last one fed.

        Windows come in order: what lies before ``start`` may be forgotten.
        """
        ...


class FrameDetector(Protocol):
    """Detects speech frame by frame, in one stream."""

    frame: int
    """Length of a frame in samples."""

    def reset(self) -> None:
        """Start as with a new stream."""
        ...

    def detect(self, frames: FloatArray, is_speech: list[bool]) -> list[float]:
        """Return the probability of speech in each of float32 ``[frames, samples]``.

        A verdict for each frame is appended to ``is_speech``; those of earlier frames may change.
        """
        ...


class FrameFollower(Protocol):
    """Follows the frames of a stream, such as a `TurnSegmenter`."""

    def frames(self, start: int, frames: FloatArray, probabilities: Sequence[float]) -> None:
        """Take float32 ``[frames, samples]`` from a sample on, and the speech in each."""
        ...

    def restart(self) -> None:
        """Note that the next frame lies behind a gap."""
        ...


class FrameVad:
    """A `Vad` that cuts a stream into frames by sample index, so chunking changes no result."""

    def __init__(self, detector: FrameDetector, follower: FrameFollower | None = None) -> None:
        """Start a stream with a detector of its own; ``follower`` gets every whole frame."""
        self._detector, self._frame, self._follower = detector, detector.frame, follower
        self._rest: FloatArray = np.zeros(0, np.float32)
        self._probabilities: list[float] = []
        self._is_speech: list[bool] = []
        self._origin = self._end = 0
        self.now = 0.0

    def feed(self, samples: FloatArray, start: int) -> None:
        """Process samples; after a gap frames begin anew."""
        if start != self._end:
            self._restart(start)
        self._end += len(samples)
        joined = np.concatenate((self._rest, samples)) if len(self._rest) else samples
        whole = len(joined) // self._frame * self._frame
        self._rest = joined[whole:].copy()
        if whole:
            frames = joined[:whole].reshape(-1, self._frame)
            self._detect(frames)
            if self._follower is not None:
                first = self._end - len(joined)
                self._follower.frames(first, frames, self._probabilities[-len(frames) :])
            self.now = self._probabilities[-1]

    def speech(self, start: int, end: int) -> SpeechShare:
        """Return the speech in the frames of a window."""
        last = len(self._probabilities) - 1
        passed = max(0, min((start - self._origin) // self._frame, last))
        del self._probabilities[:passed]
        del self._is_speech[:passed]
        self._origin += passed * self._frame
        if not self._probabilities:
            # Audio of less than a frame is filled up; what follows it begins anew.
            samples, self._end = self._rest[: end - start], -1
            self._detect(np.pad(samples, (0, self._frame - len(samples)))[np.newaxis])
        count = len(self._probabilities)
        return SpeechShare(sum(self._probabilities) / count, sum(self._is_speech) / count)

    def _restart(self, start: int) -> None:
        if self._follower is not None:
            self._follower.restart()
        self._origin = self._end = start
        self._rest = self._rest[:0]
        self._probabilities.clear()
        self._is_speech.clear()
        self.now = 0.0
        self._detector.reset()

    def _detect(self, frames: FloatArray) -> None:
        self._probabilities += self._detector.detect(frames, self._is_speech)


class LevelDetector:
    """Takes sound for speech: every 10 ms that are louder than a level.

    It distinguishes digital zeros and a quiet room from everything else. A fan, music or a cough
    above the level counts as speech.
    """

    def __init__(self, sample_rate: int, level_dbfs: float = -55.0) -> None:
        """Set the level in dB below a full-scale square wave."""
        self.frame = max(1, sample_rate // 100)
        self._mean_square = 10.0 ** (level_dbfs / 10.0)

    def reset(self) -> None:
        """Do nothing: frames are independent."""

    def detect(self, frames: FloatArray, is_speech: list[bool]) -> list[float]:
        """Return 1.0 for each loud frame, else 0.0."""
        is_loud = (np.einsum("ij,ij->i", frames, frames) / self.frame > self._mean_square).tolist()
        is_speech += is_loud
        return [float(loud) for loud in is_loud]
