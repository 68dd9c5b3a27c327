"""`fit_temperatures`: how much less a short answer says than a long one, as temperatures.

Of an answer the engine knows the seconds of speech in the window. On streams
with a truth, a temperature is fitted for each length (Guo et al., ICML 2017) to what the stream
believes whenever somebody speaks, just before and after a change too.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np

from ser_rt.errors import DataError
from ser_rt.evaluation.metrics import fit_temperature
from ser_rt.evaluation.scores import log_probabilities
from ser_rt.judging.truth import LabelledStream
from ser_rt.runtime.event import Event

EDGES_S = (0.0, 0.75, 1.25, 1.75, 2.25, float("inf"))
PLACES_S = (0.5, 1.0, 1.5, 2.0, 2.5)
"""Where the temperature of the answers between two edges is put."""

FEWEST = 30
"""Answers that a temperature is fitted to; with fewer, that of the next longer ones is taken."""


def fit_temperatures(
    streams: Sequence[LabelledStream],
    events: Sequence[Iterable[Event]],
    labels: Sequence[str],
    *,
    shape_only: bool = False,
) -> dict[float, float]:
    """Return temperatures by seconds of speech, for `temperature_by_speech` of a bundle.

    Args:
        streams: With their truth.
        events: Those of each, made without such temperatures.
        labels: Of the model.
        shape_only: Whether the temperatures are 1 in the (geometric) mean over the answers, so that
            they shift confidence from short ones to long ones alone: for streams of speakers whom
            the network was trained on, and whom it knows better than others at every length.

    Raises:
        DataError: There are too few answers.
    """
    rows = [
        (
            (event.speech or 0.0) * (event.end - event.start),
            labels.index(segment.emotion),
            np.array([event.probabilities[label] for label in labels], np.float32),
        )
        for stream, some in zip(streams, events, strict=True)
        for event in some
        if event.probabilities
        for segment in stream.segments
        if segment.start_s < event.end <= segment.end_s
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
        msg = f"{len(rows)} answers to speech are too few to calibrate: give more streams"
        raise DataError(msg)
    mean = np.average([np.log(found[place_s]) for place_s in found], weights=list(counts.values()))
    base = float(np.exp(mean)) if shape_only else 1.0
    return {place_s: round(found[place_s] / base, 3) for place_s in sorted(found)}
