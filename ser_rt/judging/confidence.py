"""Confidence against what is right: by the seconds of speech so far, and risk against coverage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from ser_rt.judging.measures import Point, StreamMeasures

HEARD_EDGES_S = (0.0, 0.5, 1.0, 1.5, 2.0, 2.5, float("inf"))
_BINS = 10


@dataclass(frozen=True)
class SpeechBin:
    """Answers over so many seconds of speech.

    Attributes:
        confidence: Mean probability of the likeliest emotion.
        accuracy: Share of them whose likeliest emotion is right.
        ece: Expected calibration error, in `_BINS` bins (Guo et al., ICML 2017).
    """

    from_s: float
    to_s: float
    count: int
    confidence: float
    accuracy: float
    ece: float


@dataclass(frozen=True)
class Coverage:
    """The answers with at least some confidence: how many, and how many of them are wrong."""

    confidence: float
    coverage: float
    risk: float


def by_speech_heard(found: Sequence[StreamMeasures]) -> list[SpeechBin]:
    """Return the calibration of answers by the speech in their window."""
    points = _points(found)
    bins = []
    for low, high in pairwise(HEARD_EDGES_S):
        inside = [p for p in points if low <= p.heard_s < high]
        if inside:
            confidence = np.array([p.confidence for p in inside])
            right = np.array([p.is_right for p in inside])
            bins.append(
                SpeechBin(
                    from_s=low,
                    to_s=high,
                    count=len(inside),
                    confidence=float(confidence.mean()),
                    accuracy=float(right.mean()),
                    ece=_calibration_error(confidence, right),
                )
            )
    return bins


def risk_against_coverage(found: Sequence[StreamMeasures], steps: int = 20) -> list[Coverage]:
    """Return the share of wrong answers among the surest, from the surest 5 % to all.

    El-Yaniv, Wiener: On the foundations of noise-free selective classification. JMLR 11, 2010.
    """
    points = sorted(_points(found), key=lambda p: -p.confidence)
    curve = []
    for step in range(1, steps + 1):
        count = round(len(points) * step / steps)
        if count:
            wrong = sum(not p.is_right for p in points[:count])
            curve.append(Coverage(points[count - 1].confidence, count / len(points), wrong / count))
    return curve


def named_coverage(found: Sequence[StreamMeasures]) -> Coverage | None:
    """Return coverage and risk of the answers that name an emotion, as the settings have it."""
    points = _points(found)
    named = [p for p in points if p.is_sure]
    if not named:
        return None
    wrong = sum(not p.is_right for p in named)
    lowest = min(p.confidence for p in named)
    return Coverage(lowest, len(named) / len(points), wrong / len(named))


def _points(found: Sequence[StreamMeasures]) -> list[Point]:
    return [point for measures in found for point in measures.points]


def _calibration_error(confidence: npt.NDArray[np.float64], right: npt.NDArray[np.bool_]) -> float:
    place = np.clip(np.ceil(confidence * _BINS).astype(int) - 1, 0, _BINS - 1)
    gaps = [
        abs(right[place == b].mean() - confidence[place == b].mean()) * (place == b).sum()
        for b in np.unique(place)
    ]
    return float(sum(gaps) / len(confidence))
