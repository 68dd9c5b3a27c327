"""`measure`: what one stream's answers are worth, as counts that add up over streams."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from ser_rt.constants import NEUTRAL
from ser_rt.evaluation.metrics import confusion_matrix
from ser_rt.judging.eder import FRAME_S, emotion_diarization_error
from ser_rt.judging.lanes import NO_LABEL, Answer, Lane, said_lane, shown_lane, truth_lane
from ser_rt.judging.truth import Change, LabelledStream
from ser_rt.runtime.event import UNSURE

SINCE_STEP_S, SINCE_STEPS = 0.5, 20
"""Accuracy by time since a change: so many steps of so many seconds."""


@dataclass(frozen=True)
class Detection:
    """How a change was noticed.

    Attributes:
        change: When, and of what into what; from "" at the beginning of a stream.
        delay_s: Audio from the change to the first answer that names the new emotion; None if there
            is none before the next change.
        computed_ms: From that audio's last sample to the answer.
        wrong_turns: Answers that begin to name a third emotion before the next change.
    """

    change: Change
    delay_s: float | None
    computed_ms: float | None
    wrong_turns: int


@dataclass(frozen=True)
class Point:
    """One answer against what was spoken at its end."""

    confidence: float
    is_right: bool
    heard_s: float
    is_sure: bool


@dataclass(frozen=True)
class StreamMeasures:
    """Measures of one stream; docs/streams.md defines them.

    Attributes:
        eder: Emotion diarization error rate of what the answers say of the time before them.
        eder_shown: That of what is shown at each time.
        confusion: Frames ``[true, said]``; the last column is nothing named.
        detections: Of the beginning and of each change.
        flicker: Changes of what is shown that no change of the truth accounts for.
        false_changes: Those to another emotion while the voice is neutral.
        neutral_s: Seconds of neutral speech.
        labelled_s: Seconds of all speech.
        unsure_s: Of it, those in which nothing is named.
        since_right: Frames shown rightly, by time since a change ``[steps]``.
        since_all: All of them.
        points: One for each answer while somebody speaks.
    """

    stream: LabelledStream
    answers: Sequence[Answer]
    eder: float
    eder_shown: float
    confusion: npt.NDArray[np.int64]
    detections: list[Detection]
    flicker: int
    false_changes: int
    neutral_s: float
    labelled_s: float
    unsure_s: float
    since_right: npt.NDArray[np.int64]
    since_all: npt.NDArray[np.int64]
    points: list[Point]


def measure(
    stream: LabelledStream, answers: Sequence[Answer], labels: Sequence[str]
) -> StreamMeasures:
    """Compare a stream's answers with its truth."""
    truth = truth_lane(stream, labels)
    said, shown = said_lane(stream, answers, labels), shown_lane(stream, answers, labels)
    changes = stream.changes
    detections = [_detection(change, answers) for change in changes]
    flicker, false_changes = _flicker(stream, answers, detections)
    spoken = truth != NO_LABEL
    since_right, since_all = _since_change(changes, truth, shown)
    return StreamMeasures(
        stream=stream,
        answers=answers,
        eder=_error(stream, said, labels),
        eder_shown=_error(stream, shown, labels),
        confusion=_confusion(truth[spoken], said[spoken], len(labels)),
        detections=detections,
        flicker=flicker,
        false_changes=false_changes,
        neutral_s=sum(s.end_s - s.start_s for s in stream.segments if s.emotion == NEUTRAL),
        labelled_s=stream.labelled_s,
        unsure_s=sum(
            max(0.0, min(a.end_s, s.end_s) - max(a.start_s, s.start_s))
            for a in answers
            for s in stream.segments
            if a.emotion == UNSURE
        ),
        since_right=since_right,
        since_all=since_all,
        points=_points(stream, answers),
    )


def _error(stream: LabelledStream, lane: Lane, labels: Sequence[str]) -> float:
    names = [*labels, ""]
    frames = [names[label] for label in lane.tolist()]
    return emotion_diarization_error(frames, stream.segments, stream.duration_s)


def _confusion(truth: Lane, said: Lane, count: int) -> npt.NDArray[np.int64]:
    return confusion_matrix(truth, np.where(said == NO_LABEL, count, said), count + 1)[:count]


def _detection(change: Change, answers: Sequence[Answer]) -> Detection:
    inside = [a for a in answers if change.at_s < a.end_s <= change.until_s and a.is_sure]
    first = next((a for a in inside if a.emotion == change.after), None)
    earlier = [a for a in answers if a.end_s <= change.at_s and a.is_sure][-1:]
    third = [b for a, b in pairwise([*earlier, *inside]) if a.emotion != b.emotion]
    if not earlier:
        third = inside[:1] + third
    return Detection(
        change=change,
        delay_s=None if first is None else first.end_s - change.at_s,
        computed_ms=None if first is None else first.computed_ms,
        wrong_turns=sum(a.emotion not in {change.before, change.after} for a in third),
    )


def _flicker(
    stream: LabelledStream, answers: Sequence[Answer], detections: Sequence[Detection]
) -> tuple[int, int]:
    """Count changes of what is shown, but for those that notice one; and false ones in neutral."""
    due = {d.change.at_s + d.delay_s for d in detections if d.delay_s is not None}
    flicker = false_changes = 0
    last: Answer | None = None
    last_sure = ""
    for answer in answers:
        if not answer.emotion:
            continue
        if last is not None and answer.emotion != last.emotion and answer.end_s not in due:
            flicker += 1
        if answer.is_sure:
            is_new = answer.emotion != last_sure
            if is_new and answer.emotion != NEUTRAL and stream.state(answer.end_s) == NEUTRAL:
                false_changes += 1
            last_sure = answer.emotion
        last = answer
    return flicker, false_changes


def _since_change(
    changes: Sequence[Change], truth: Lane, shown: Lane
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    right, every = np.zeros(SINCE_STEPS, np.int64), np.zeros(SINCE_STEPS, np.int64)
    for change in changes:
        if not change.before:
            continue
        for step in range(SINCE_STEPS):
            edges = [change.at_s + (step + more) * SINCE_STEP_S for more in (0, 1)]
            start, end = (round(min(edge, change.until_s) / FRAME_S) for edge in edges)
            spoken = truth[start:end] != NO_LABEL
            every[step] += spoken.sum()
            right[step] += (spoken & (truth[start:end] == shown[start:end])).sum()
    return right, every


def _points(stream: LabelledStream, answers: Sequence[Answer]) -> list[Point]:
    return [
        Point(
            a.confidence,
            (a.emotion if a.is_sure else a.likeliest) == segment.emotion,
            a.heard_s,
            a.is_sure,
        )
        for a in answers
        for segment in stream.segments
        if a.emotion and segment.start_s < a.end_s <= segment.end_s
    ]
