"""`emotion_diarization_error`: the share of time that is not given its emotion (EDER)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from ser_rt.judging.truth import Segment

FRAME_S = 0.02
"""Frames of SpeechBrain's recipe (``window_length`` and ``stride`` of its train.yaml)."""


@dataclass
class _Stretch:
    start_s: float
    end_s: float
    emotion: str


def emotion_diarization_error(
    frames: Sequence[str],
    truth: Sequence[Segment],
    duration_s: float,
    window_s: float = FRAME_S,
    stride_s: float = FRAME_S,
) -> float:
    """Return one minus the seconds that have their emotion, over the duration.

    The definition, and the order of its sums, is that of ``EDER`` in ``speechbrain/utils/EDER.py``
    (Wang 2023), so that equal frames give the same digits; there, though, only one emotion may
    stand among neutral speech. Misses, false alarms and confusions together.

    Args:
        frames: Emotion of each frame.
        truth: What was spoken; all of the duration, unless the rest is to count for nothing.
        duration_s: What is divided by.
        window_s: Length of a frame.
        stride_s: From the start of a frame to that of the next.

    >>> truth = [Segment(0, 0.39, "n"), Segment(0.39, 1.1, "a"), Segment(1.1, 1.22, "n")]
    >>> emotion_diarization_error(["n", "n", "n", "a", "a", "a"], truth, 1.22, 0.2, 0.2)
    0.2704918032786885
    """
    found = _shared_out(_merged(frames, window_s, stride_s))
    right_s: float = 0
    for segment in truth:
        for one in found:
            if one.emotion == segment.emotion:
                both_s = min(segment.end_s, one.end_s) - max(segment.start_s, one.start_s)
                right_s += max(0, both_s)
    return 1 - right_s / duration_s


def _merged(frames: Sequence[str], window_s: float, stride_s: float) -> list[_Stretch]:
    """Return stretches of equal frames; rounding may part frames that touch, and does there too."""
    stretches: list[_Stretch] = []
    for number, emotion in enumerate(frames):
        start_s = stride_s * number
        end_s = start_s + window_s
        last = stretches[-1] if stretches else None
        if last is not None and last.emotion == emotion and start_s <= last.end_s:
            last.end_s = end_s
        else:
            stretches.append(_Stretch(start_s, end_s, emotion))
    return stretches


def _shared_out(stretches: list[_Stretch]) -> list[_Stretch]:
    """Give half of an overlap to each of the two that share it."""
    for before, after in pairwise(stretches):
        if after.start_s <= before.end_s:
            overlap = before.end_s - after.start_s
            before.end_s -= overlap / 2.0
            after.start_s += overlap / 2.0
    return stretches
