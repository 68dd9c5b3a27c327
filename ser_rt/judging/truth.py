"""`LabelledStream`: audio with known emotions, and the times at which they change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import pairwise
from typing import NamedTuple

from ser_rt.classifier import FloatArray


class Segment(NamedTuple):
    """A stretch of one emotion, in seconds of the stream."""

    start_s: float
    end_s: float
    emotion: str
    speaker: str = ""


class Change(NamedTuple):
    """Where one emotion ends and another begins: at the first sound of the second."""

    at_s: float
    until_s: float
    """The next change, or the end of the stream."""
    before: str
    """Empty at the beginning of a stream."""
    after: str


@dataclass(frozen=True)
class LabelledStream:
    """A stream and its truth.

    Attributes:
        name: Unique among the streams of a run.
        samples: Float32 ``[samples]`` at `sample_rate`.
        segments: In order, without overlap. What lies between them is silence, and in no measure
            that weighs by time.
        duration_s: What the error rate divides by: the labelled seconds, or all of a recording
            whose labels leave nothing out.
        kind: How the stream was made.
        silent_as: The emotion that an answer of no speech stands for; None for no emotion.
    """

    name: str
    samples: FloatArray = field(repr=False)
    sample_rate: int
    segments: tuple[Segment, ...]
    duration_s: float
    kind: str = ""
    dataset: str = ""
    language: str = ""
    silent_as: str | None = None

    @property
    def length_s(self) -> float:
        """Seconds of audio."""
        return len(self.samples) / self.sample_rate

    @property
    def labelled_s(self) -> float:
        """Seconds in segments."""
        return sum(segment.end_s - segment.start_s for segment in self.segments)

    @property
    def speakers(self) -> tuple[str, ...]:
        """Everybody who speaks, in order."""
        return tuple(dict.fromkeys(s.speaker for s in self.segments if s.speaker))

    @property
    def sha256(self) -> str:
        """Fingerprint of the samples."""
        return sha256(self.samples.astype("<f4").tobytes()).hexdigest()

    @property
    def changes(self) -> list[Change]:
        """The beginning, and every change of emotion after it."""
        starts = [self.segments[0]]
        starts += [b for a, b in pairwise(self.segments) if a.emotion != b.emotion]
        ends = [*(segment.start_s for segment in starts[1:]), self.length_s]
        before = ["", *(segment.emotion for segment in starts)]
        return [
            Change(segment.start_s, end_s, previous, segment.emotion)
            for segment, end_s, previous in zip(starts, ends, before, strict=False)
        ]

    def state(self, at_s: float) -> str:
        """Return the emotion at a time; in silence, the one before it; "" before the first."""
        past = [segment for segment in self.segments if segment.start_s < at_s]
        return past[-1].emotion if past else ""


@dataclass
class Omissions:
    """What is in no stream, counted by reason, with one example each."""

    counts: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)

    def add(self, reason: str, what: str) -> None:
        """Count something."""
        self.counts[reason] += 1
        self.examples.setdefault(reason, what)

    def rows(self) -> Sequence[tuple[str, str, str]]:
        """Return reason, count and example of each."""
        return [(why, str(count), self.examples[why]) for why, count in self.counts.items()]
