"""`TurnSegmenter`, which finds where turns begin and end, by the frames of the speech detector."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ser_rt.classifier import FloatArray

SHORTEST_SPEECH_S = 0.2
"""Less speech than this is no turn: a click, a cough."""


@dataclass(slots=True)
class Span:
    """A turn as it is found, in samples of the stream.

    Attributes:
        start: First sample of its speech.
        end: End of its last frame with speech so far.
        power: Sum of squares over the frames with speech.
        runs: Start and end of each stretch of frames with speech.
        audio: Its frames that nobody has taken yet, pauses among them.
        taken: Samples that were taken.
        settled: Sample up to which it is known to be of one person.
        known_at: Sample at which it was known to have ended.
        is_cut: Whether it ended because it was too long.
        is_followed: Whether it ended because another person began to speak.
    """

    start: int
    end: int
    power: float = 0.0
    runs: list[tuple[int, int]] = field(default_factory=list)
    audio: list[FloatArray] = field(default_factory=list, repr=False)
    taken: int = 0
    settled: int = 0
    known_at: int = 0
    is_cut: bool = False
    is_followed: bool = False

    @property
    def speech(self) -> int:
        """Samples of speech."""
        return sum(end - start for start, end in self.runs)

    def speech_within(self, start: int, end: int) -> int:
        """Return how many samples of its speech lie between two samples."""
        return sum(max(0, min(end, last) - max(start, first)) for first, last in self.runs)

    def take(self) -> list[FloatArray]:
        """Return, once, the frames of its audio up to its end, as far as they are settled."""
        if not self.audio:
            return []
        size = len(self.audio[0])
        count = max(0, min(self.end, self.settled) - self.start - self.taken) // size
        found, self.audio = self.audio[:count], self.audio[count:]
        self.taken += size * count
        return found

    def add(self, start: int, end: int, power: float) -> None:
        """Take a frame with speech."""
        if self.runs and self.runs[-1][1] == start:
            self.runs[-1] = (self.runs[-1][0], end)
        else:
            self.runs.append((start, end))
        self.end = end
        self.power += power

    def split(self, sample: int) -> Span | None:
        """Take away, and return, its speech from a sample on; None if there is none."""
        size = len(self.audio[0]) if self.audio else 1
        sample = (
            self.start + self.taken + max(0, -(-(sample - self.start - self.taken) // size)) * size
        )
        runs = [(max(start, sample), end) for start, end in self.runs if end > sample]
        if not runs:
            return None
        rest = Span(runs[0][0], self.end, runs=runs, settled=self.settled)
        at = (rest.start - self.start - self.taken) // size
        rest.audio, self.audio = self.audio[at:], self.audio[:at]
        for start, end in runs:
            first, last = (start - rest.start) // size, (end - rest.start) // size
            rest.power += sum(_power(frame) for frame in rest.audio[first:last])
        self.runs = [(start, min(end, sample)) for start, end in self.runs if start < sample]
        self.end = self.runs[-1][1] if self.runs else self.start
        self.power -= rest.power
        return rest


class TurnSegmenter:
    """Follows one stream: a follower of a `FrameVad`, whose frames chunking does not change.

    A turn begins with a frame of at least ``threshold``, and ends behind its last frame of at least
    ``ends_below`` once ``pause`` samples have followed it, at ``longest`` samples, where another
    person begins, at a gap, and at the end of the stream.
    """

    def __init__(
        self,
        *,
        threshold: float,
        ends_below: float,
        pause: int,
        longest: int,
        shortest: int,
        reach: int = 0,
    ) -> None:
        """Set probabilities of speech, and lengths in samples.

        ``shortest`` is of speech; ``reach`` is how far back another person may have begun when that
        is known.
        """
        self._threshold, self._ends_below = threshold, ends_below
        self._reach = reach
        self._pause, self._longest, self._shortest = pause, longest, shortest
        self._opens_at = threshold
        self.open: Span | None = None
        """The speech that has not ended yet, be it enough for a turn or not."""
        self._over: list[Span] = []
        self._end = 0

    @property
    def now(self) -> Span | None:
        """The turn that has not ended yet, if there is enough speech in it."""
        return self.open if self.open is not None and self._is_turn(self.open) else None

    def frames(self, start: int, frames: FloatArray, probabilities: Sequence[float]) -> None:
        """Take float32 ``[frames, samples]`` from a sample on, and the speech in each."""
        size = frames.shape[1]
        for frame, probability in zip(frames, probabilities, strict=True):
            self._frame(start, start + size, frame, probability)
            start += size

    def split(self, sample: int) -> None:
        """End a turn where another person begins to speak, and begin another one there."""
        span = self.open
        if span is None or sample <= span.start:
            return
        rest = span.split(sample)
        span.is_followed = True
        self._close()
        self.open = rest

    def restart(self) -> None:
        """End a turn: the audio has a gap, or ends here for now."""
        self._close()
        self._opens_at = self._threshold

    def ended(self) -> list[Span]:
        """Return, once, the turns that have ended."""
        found, self._over = self._over, []
        return found

    def _frame(self, start: int, end: int, frame: FloatArray, probability: float) -> None:
        self._end = end
        span = self.open
        if span is not None:
            span.settled = end - self._reach
        if span is not None and probability < self._ends_below:
            span.audio.append(frame)
            if end - span.end >= self._pause:
                self._close()
            return
        if span is not None and end - span.start > self._longest:
            self._close(is_cut=True)
            # The same speech goes on: it need not begin again.
            self._opens_at, span = self._ends_below, None
        if span is None:
            if probability < self._opens_at:
                self._opens_at = self._threshold
                return
            span = self.open = Span(start, end, settled=end - self._reach)
            self._opens_at = self._threshold
        span.audio.append(frame)
        span.add(start, end, _power(frame))

    def _close(self, *, is_cut: bool = False) -> None:
        span, self.open = self.open, None
        if span is not None and self._is_turn(span):
            span.known_at, span.is_cut = self._end, is_cut
            span.settled = span.end
            self._over.append(span)

    def _is_turn(self, span: Span) -> bool:
        return span.speech >= self._shortest


def _power(frame: FloatArray) -> float:
    return float(np.square(frame, dtype=np.float64).sum())
