"""`RecordingReport`: what a report tells of one recording, and what is derived from it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from ser_rt.report.course import Array, Course
from ser_rt.runtime.event import UNSURE
from ser_rt.runtime.palette import is_plain

MOST_MOMENTS = 6
MOMENT_S = 6.0
"""Longest sound of a moment, in seconds."""
CLOSEST_S = 5.0
"""Moments of a channel are this far from each other."""
_SHORTEST_S = 1.0
"""A turn with less speech is no moment: there was too little to go by."""
_THIRDS_S = 30.0
"""A shorter recording has no trend."""
_CHANGE = 0.1
"""A smaller difference between the first and the last third is none."""


class Turn(NamedTuple):
    """One turn: an uninterrupted piece of speech of one channel.

    Attributes:
        channel: index in `RecordingReport.channels`.
        start_s: where it starts, in seconds.
        end_s: where it ends.
        emotion: of the whole turn.
        confidence: probability of it, in [0, 1].
        peak_s: end of the window in which it is clearest.
        speech_s: seconds of speech in it.
        loudness_db: in dBFS.
        is_cut: whether it was longer than a turn may be, and goes on in the next one.
    """

    channel: int
    start_s: float
    end_s: float
    emotion: str
    confidence: float
    peak_s: float
    speech_s: float
    loudness_db: float
    is_cut: bool = False

    @property
    def sound_s(self) -> tuple[float, float]:
        """Where the sound of a moment starts and ends: what led to its peak, within the turn."""
        end_s = min(self.end_s, self.peak_s + 1.0)
        return max(self.start_s, end_s - MOMENT_S), end_s


@dataclass
class Channel:
    """One channel: its course, and its name; "" where there is one channel alone."""

    name: str
    course: Course


class Trend(NamedTuple):
    """An emotion whose share is another in the last third than in the first."""

    emotion: str
    before: float
    after: float


@dataclass
class RecordingReport:
    """What a report tells of one recording.

    Attributes:
        name: of the file, or what else was classified.
        labels: names of the model's emotions, and ``unsure`` last.
        channels: in their order.
        turns: in the order of their ends.
        model: what classified it.
        notice: what users of the model should be told, if anything.
        warnings: faults of the audio.
        more_turns: how many turns are not among `turns`.
        speech_s: seconds of speech in all turns.
        audio: the sound as MP3, if it is to be part of the report.
        link: address of the sound, relative to the report, if it is not part of it.
        error: why it ends before its end, if it does.
    """

    name: str
    labels: tuple[str, ...]
    channels: list[Channel]
    turns: list[Turn] = field(default_factory=list)
    model: str = ""
    notice: str | None = None
    warnings: list[str] = field(default_factory=list)
    more_turns: int = 0
    speech_s: float = 0.0
    audio: bytes | None = None
    link: str | None = None
    error: str | None = None

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return max((channel.course.end_s for channel in self.channels), default=0.0)

    @property
    def speech(self) -> float:
        """Share of the time in which somebody speaks, if never two at once, in [0, 1]."""
        return min(1.0, self.speech_s / self.duration_s) if self.duration_s else 0.0

    @property
    def has_speech(self) -> bool:
        """Whether anybody speaks, and for long enough to be classified."""
        return bool(self.shares())

    def shares(self, channel: int | None = None) -> list[tuple[str, float]]:
        """Return the share of each emotion in the time of all turns, largest first.

        ``channel`` is an index; None for all together. Emotions that never come are left out.
        """
        courses = [c.course for n, c in enumerate(self.channels) if channel in (None, n)]
        seconds = sum((c.named_in_turns_s.sum(axis=0) for c in courses), np.zeros(len(self.labels)))
        return _ranked(self.labels, seconds)

    def main(self, channel: int | None = None) -> tuple[str, float] | None:
        """Return the most frequent emotion and its share; ``unsure`` only if there is no other."""
        shares = self.shares(channel)
        named = [share for share in shares if share[0] != UNSURE]
        return next(iter(named or shares), None)

    def moments(self) -> list[Turn]:
        """Return the turns with the clearest emotions other than neutral, in order of time.

        The clearest of each emotion come first, then others, as long as there is room.
        """
        ranked = sorted(
            (t for t in self.turns if not is_plain(t.emotion) and t.speech_s >= _SHORTEST_S),
            key=lambda turn: (-turn.confidence, turn.start_s),
        )
        firsts = list({turn.emotion: turn for turn in reversed(ranked)}.values())[::-1]
        firsts.sort(key=ranked.index)
        chosen: list[Turn] = []
        for turn in (*firsts, *ranked):
            if len(chosen) < MOST_MOMENTS and not any(_is_close(turn, other) for other in chosen):
                chosen.append(turn)
        return sorted(chosen, key=lambda turn: (turn.peak_s, turn.channel))

    def strongest(self) -> Turn | None:
        """Return the clearest moment."""
        return max(self.moments(), key=lambda turn: turn.confidence, default=None)

    def change(self, channel: int | None = None) -> Trend | None:
        """Return the emotion whose share changes most from the first third to the last."""
        if self.duration_s < _THIRDS_S:
            return None
        edges = np.array([0, 1, 2, 3]) * self.duration_s / 3
        named = sum(
            c.course.named_between(edges)
            for n, c in enumerate(self.channels)
            if channel in (None, n)
        )
        first, _, last = np.asarray(named)
        if not first.sum() or not last.sum():
            return None
        before, after = first / first.sum(), last / last.sum()
        most = int(np.argmax(np.abs(after - before)))
        if abs(after[most] - before[most]) < _CHANGE:
            return None
        return Trend(self.labels[most], float(before[most]), float(after[most]))


def shown_emotions(
    shares: Iterable[tuple[str, float]], most: int = 5
) -> tuple[list[tuple[str, float]], list[tuple[str, float]]]:
    """Return the emotions to show and those to fold away; a single one is not folded."""
    found = list(shares)
    if len(found) <= most + 1:
        return found, []
    return found[:most], found[most:]


def _ranked(labels: Sequence[str], seconds: Array) -> list[tuple[str, float]]:
    total = float(seconds.sum())
    if not total:
        return []
    shares = [(label, float(s) / total) for label, s in zip(labels, seconds, strict=True) if s > 0]
    return sorted(shares, key=lambda item: -item[1])


def _is_close(turn: Turn, other: Turn) -> bool:
    return turn.channel == other.channel and abs(turn.peak_s - other.peak_s) < CLOSEST_S
