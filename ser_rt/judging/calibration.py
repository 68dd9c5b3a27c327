"""`fit_temperatures`: how much less a short answer says than a long one, as temperatures.

Of an answer the engine knows how much speech it heard: the seconds of it in the window. On streams
with a truth, a temperature is fitted for each length (Guo et al., ICML 2017) to the answers whose
window lies within one emotion: where it changes, the truth is not what was heard.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from ser_rt.errors import DataError
from ser_rt.evaluation.metrics import fit_temperature
from ser_rt.evaluation.scores import log_probabilities
from ser_rt.judging.replay import StreamPosteriors
from ser_rt.judging.truth import LabelledStream
from ser_rt.runtime.recognizers.windowed import Posterior

EDGES_S = (0.0, 0.75, 1.25, 1.75, 2.25, float("inf"))
PLACES_S = (0.5, 1.0, 1.5, 2.0, 2.5)
"""Where the temperature of the answers between two edges is put."""

FEWEST = 30
"""Answers that a temperature is fitted to; with fewer, that of the next longer ones is taken."""


def fit_temperatures(
    streams: Sequence[LabelledStream],
    kept: Sequence[StreamPosteriors],
    labels: Sequence[str],
    *,
    shape_only: bool = False,
) -> dict[float, float]:
    """Return temperatures by seconds of speech, for `temperature_by_speech` of a bundle.

    Args:
        streams: With their truth.
        kept: What the network answered on each, without such temperatures.
        labels: Of the model.
        shape_only: Whether the temperatures are 1 in the (geometric) mean over the answers, so that
            they shift confidence from short ones to long ones alone: for streams of speakers whom
            the network was trained on, and whom it knows better than others at every length.

    Raises:
        DataError: There are too few answers within one emotion.
    """
    rows = [
        (seconds, labels.index(emotion), posterior.probabilities)
        for stream, one in zip(streams, kept, strict=True)
        for posterior in one.posteriors
        if posterior.probabilities is not None
        for emotion in [_emotion_of(stream, posterior)]
        if emotion
        for seconds in [posterior.speech * (posterior.end_s - posterior.start_s)]
    ]
    found: dict[float, float] = {}
    counts: dict[float, int] = {}
    longer: float | None = None
    for (low_s, high_s), place_s in reversed(list(zip(pairwise(EDGES_S), PLACES_S, strict=True))):
        inside = [(true, row) for seconds, true, row in rows if low_s <= seconds < high_s]
        if len(inside) >= FEWEST:
            logits = log_probabilities(np.stack([row for _, row in inside]))
            longer = fit_temperature(np.array([true for true, _ in inside]), logits)
        elif longer is None:
            continue
        found[place_s], counts[place_s] = longer, len(inside)
    if not found:
        msg = f"{len(rows)} answers within one emotion are too few to calibrate: give more streams"
        raise DataError(msg)
    mean = np.average([np.log(found[place_s]) for place_s in found], weights=list(counts.values()))
    base = float(np.exp(mean)) if shape_only else 1.0
    return {place_s: round(found[place_s] / base, 3) for place_s in sorted(found)}


def _emotion_of(stream: LabelledStream, posterior: Posterior) -> str:
    """Return the one emotion of a window; "" if there are several, or none."""
    emotions = {
        segment.emotion
        for segment in stream.segments
        if segment.start_s < posterior.end_s and segment.end_s > posterior.start_s
    }
    return emotions.pop() if len(emotions) == 1 else ""
