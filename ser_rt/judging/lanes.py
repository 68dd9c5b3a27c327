"""`Answer`s: what a stream is told to be, and the two lanes that they draw over its time.

A result says what the time since the one before it was, and so do episodes, subtitles and RTTM:
that is the lane `said`. Somebody who watches sees it only at its end: that is the lane `shown`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ser_rt.judging.eder import FRAME_S
from ser_rt.judging.truth import LabelledStream
from ser_rt.runtime.event import UNSURE, Event

Lane = npt.NDArray[np.int64]
"""Index of a label in each frame of 20 ms."""

NO_LABEL = -1
"""In a lane: nothing is named, or nothing was spoken."""


@dataclass(frozen=True)
class Answer:
    """What one result says.

    Attributes:
        start_s: End of the result before it, or start of its window.
        end_s: When its last sample came.
        emotion: What it names; ``unsure``; or "" for no speech.
        likeliest: The likeliest emotion, named or not.
        confidence: The probability of that, in [0, 1].
        heard_s: Seconds of speech in its window.
        computed_ms: From its last sample to the result.
    """

    start_s: float
    end_s: float
    emotion: str
    likeliest: str
    confidence: float
    heard_s: float
    computed_ms: float

    @property
    def is_sure(self) -> bool:
        """Whether it names an emotion."""
        return self.emotion not in {"", UNSURE}


def answers_of(events: Iterable[Event]) -> list[Answer]:
    """Return the answers among events."""
    answers: list[Answer] = []
    for event in events:
        if event.type not in {"emotion", "no_speech"}:
            continue
        last_s = answers[-1].end_s if answers else -1.0
        likeliest, confidence = max(
            event.probabilities.items(), key=lambda item: item[1], default=("", 0.0)
        )
        answers.append(
            Answer(
                start_s=last_s if event.start <= last_s < event.end else event.start,
                end_s=event.end,
                emotion=event.emotion or "",
                likeliest=likeliest,
                confidence=confidence,
                heard_s=(event.speech or 0.0) * (event.end - event.start),
                computed_ms=event.latency_ms.get("total", 0.0),
            )
        )
    return answers


def frame_count(stream: LabelledStream) -> int:
    """Return how many frames cover a stream."""
    return round(stream.length_s / FRAME_S + 0.499)


def truth_lane(stream: LabelledStream, labels: Sequence[str]) -> Lane:
    """Return what was spoken; a frame belongs to what its middle lies in."""
    spans = [(s.start_s, s.end_s, labels.index(s.emotion)) for s in stream.segments]
    return _painted(frame_count(stream), spans)


def said_lane(stream: LabelledStream, answers: Sequence[Answer], labels: Sequence[str]) -> Lane:
    """Return what the answers say of each time."""
    spans = [(a.start_s, a.end_s, _label(a, stream, labels)) for a in answers]
    return _painted(frame_count(stream), spans, _silence(stream, labels))


def shown_lane(stream: LabelledStream, answers: Sequence[Answer], labels: Sequence[str]) -> Lane:
    """Return the latest answer at each time."""
    ends = [*(answer.end_s for answer in answers[1:]), stream.length_s]
    spans = [
        (a.end_s, end_s, _label(a, stream, labels)) for a, end_s in zip(answers, ends, strict=False)
    ]
    return _painted(frame_count(stream), spans, _silence(stream, labels))


def _silence(stream: LabelledStream, labels: Sequence[str]) -> int:
    return NO_LABEL if stream.silent_as is None else labels.index(stream.silent_as)


def _label(answer: Answer, stream: LabelledStream, labels: Sequence[str]) -> int:
    if answer.is_sure:
        return labels.index(answer.emotion)
    return NO_LABEL if answer.emotion else _silence(stream, labels)


def _painted(count: int, spans: Iterable[tuple[float, float, int]], empty: int = NO_LABEL) -> Lane:
    lane: npt.NDArray[Any] = np.full(count, empty, np.int64)
    for start_s, end_s, label in spans:
        # Frames whose middle lies in the span.
        lane[max(0, round(start_s / FRAME_S)) : max(0, round(end_s / FRAME_S))] = label
    return lane
