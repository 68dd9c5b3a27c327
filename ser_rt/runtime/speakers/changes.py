"""`SpeakerChanges`, which finds where another person begins to speak."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from ser_rt.classifier import FloatArray
from ser_rt.runtime.speakers.network import FIRST, FRAME, RATE_HZ, speakers_in
from ser_rt.runtime.vad.base import FrameFollower

WINDOW = 3 * RATE_HZ
"""Samples that the network is given, up to now."""
STEP = RATE_HZ // 2
"""Samples from one call of the network to the next, while somebody speaks."""
AFTER = RATE_HZ // 2
"""Samples that it takes after a change to find it."""
REACH = RATE_HZ * 5 // 4
"""Samples that a change may lie back when it is found."""
LEAST_SPEECH = 2 * RATE_HZ // 5
"""Samples of speech that it takes on both sides."""
APART = 3 * RATE_HZ // 4
"""Samples from one change to the next."""
THRESHOLD = 0.7
"""Share of the speech that is another person's after a change."""

_ALIKE = 0.002
"""Shares that differ by no more are equal."""


class ChangeFollower(FrameFollower, Protocol):
    """A follower that is told of changes, too, such as a `TurnSegmenter`."""

    def split(self, sample: int) -> None:
        """Note that another person speaks from a sample on, which may lie `REACH` back."""
        ...


class SpeakerChanges:
    """Follows the frames of one stream, and passes them on to another follower.

    A change is known half a second to `REACH` after it, and what was computed in between may be of
    two people. Calls of the network follow sample numbers, so chunking changes no change.
    """

    def __init__(
        self,
        speech_from: float,
        follower: ChangeFollower | None = None,
        speakers: Callable[[FloatArray], FloatArray] = speakers_in,
    ) -> None:
        """Begin a stream; a frame is speech from the probability ``speech_from`` on."""
        self._speech_from, self._follower, self._speakers = speech_from, follower, speakers
        self._frames: deque[FloatArray] = deque()
        self._is_speech: deque[bool] = deque()
        self._end = self._next = 0
        self.last = 0
        """First sample of who speaks now, as far as that is known."""

    def frames(self, start: int, frames: FloatArray, probabilities: Sequence[float]) -> None:
        """Take float32 ``[frames, samples]`` from a sample on, and the speech in each."""
        for number, probability in enumerate(probabilities):
            frame = frames[number : number + 1]
            if not self._frames:
                self._next = start + STEP
            self._add(frame[0], start, is_speech=probability >= self._speech_from)
            if self._follower is not None:
                self._follower.frames(start, frame, (probability,))
            start += frame.shape[1]
            if self._end >= self._next:
                self._next += STEP
                self._look()

    def restart(self) -> None:
        """Begin anew behind a gap."""
        self._frames.clear()
        self._is_speech.clear()
        if self._follower is not None:
            self._follower.restart()

    def _add(self, frame: FloatArray, start: int, *, is_speech: bool) -> None:
        self._frames.append(frame)
        self._is_speech.append(is_speech)
        self._end = start + len(frame)
        while (len(self._frames) - 1) * len(frame) >= WINDOW:
            self._frames.popleft()
            self._is_speech.popleft()

    def _look(self) -> None:
        """Look for a change in the audio up to now."""
        recent = -(-STEP // len(self._frames[0]))
        heard = list(self._is_speech)
        if not any(heard[-recent:]) or sum(heard) * len(self._frames[0]) < 2 * LEAST_SPEECH:
            return
        samples = np.concatenate(self._frames)
        start = self._end - len(samples)
        place, share = change_in(self._speakers(samples), self.last - start)
        at = max(start + place, self._end - REACH)
        if share >= THRESHOLD and at >= self.last + APART:
            self.last = at
            if self._follower is not None:
                self._follower.split(at)


def change_in(speakers: FloatArray, since: int = 0) -> tuple[int, float]:
    """Return the likeliest sample of a change near the end, and its share, of ``[frames, 3]``.

    The share is of the speech: how much of what follows the sample is of others than what is before
    it, from sample ``since`` on; half the sum of the differences. It is 0 where there is too little
    speech to compare.
    """
    count = len(speakers)
    sums: npt.NDArray[np.float64] = np.zeros((count + 1, speakers.shape[1] + 1))
    np.cumsum(speakers, axis=0, out=sums[1:, :-1])
    np.cumsum(speakers.max(axis=1), out=sums[1:, -1])
    places = np.arange(max(1, count - REACH // FRAME), count - AFTER // FRAME + 1)
    if not len(places):
        return 0, 0.0
    before = sums[places] - sums[np.clip(since // FRAME, 0, places)]
    after = sums[-1] - sums[places]
    least = LEAST_SPEECH / FRAME
    enough = (before[:, -1] >= least) & (after[:, -1] >= least)
    shares = np.where(
        enough,
        0.5
        * np.abs(
            before[:, :-1] / np.maximum(before[:, -1:], least)
            - after[:, :-1] / np.maximum(after[:, -1:], least)
        ).sum(axis=1),
        0.0,
    )
    # Within a pause all are alike: the last one is where the next person begins.
    best = int(np.flatnonzero(shares >= shares.max() - _ALIKE)[-1])
    return FIRST + FRAME * int(places[best]) - FRAME // 2, float(shares[best])
