"""`StreamScore`: the measures of many streams as figures, with intervals over the streams."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ser_rt.judging.measures import SINCE_STEP_S, Detection, StreamMeasures

DRAWS = 500
_LEVEL = (0.025, 0.975)
Weights = npt.NDArray[np.int64]


@dataclass(frozen=True)
class StreamScore:
    """Figures of a set of streams; docs/streams.md defines each.

    Attributes:
        streams: How many.
        speakers: In them.
        minutes: Of labelled speech.
        changes: Changes of emotion.
        figures: By name; NaN where there is nothing to measure, such as no neutral speech.
        intervals: 95 % bootstrap intervals of some, drawing streams again within their dataset.
    """

    streams: int
    speakers: int
    minutes: float
    changes: int
    figures: dict[str, float]
    intervals: dict[str, tuple[float, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class _Sums:
    """Measures of some streams as arrays ``[streams, ...]``, for many weighted sums."""

    found: Sequence[StreamMeasures]
    rows: npt.NDArray[np.float64]
    confusions: npt.NDArray[np.int64]
    delays: list[npt.NDArray[np.float64]]
    counts: npt.NDArray[np.int64]
    answers: npt.NDArray[np.int64]

    @classmethod
    def of(cls, found: Sequence[StreamMeasures]) -> _Sums:
        rows = [
            (
                m.eder,
                m.eder_shown,
                m.labelled_s,
                m.neutral_s,
                m.flicker,
                m.false_changes,
                m.unsure_s,
            )
            for m in found
        ]
        changes = [_changes(m) for m in found]
        counts = [
            (len(c), sum(d.delay_s is None for d in c), sum(d.wrong_turns > 0 for d in c))
            for c in changes
        ]
        return cls(
            found,
            np.array(rows, np.float64),
            np.stack([m.confusion for m in found]),
            [np.array([d.delay_s for d in c if d.delay_s is not None]) for c in changes],
            np.array(counts, np.int64),
            np.array([_named(m) for m in found], np.int64),
        )

    def figures(self, weights: Weights) -> dict[str, float]:
        """Return the figures that intervals are drawn of, each stream counted so often."""
        eder, shown, labelled_s, neutral_s, flicker, false, unsure_s = weights @ self.rows
        changes, missed, turned = (weights @ self.counts).tolist()
        points, named, wrong = (weights @ self.answers).tolist()
        delays = np.concatenate(
            [np.repeat(d, w) for d, w in zip(self.delays, weights, strict=True)]
        )
        return {
            "eder": float(eder / weights.sum()),
            "eder_shown": float(shown / weights.sum()),
            "uar": _uar(np.tensordot(weights, self.confusions, 1)),
            "delay_median_s": _quantile(delays, 0.5),
            "delay_p90_s": _quantile(delays, 0.9),
            "missed": _ratio(missed, changes),
            "wrong_turns": _ratio(turned, changes),
            "flicker_per_min": _ratio(60 * flicker, labelled_s),
            "false_changes_per_min": _ratio(60 * false, neutral_s),
            "unsure": _ratio(unsure_s, labelled_s),
            "coverage": _ratio(named, points),
            "risk": _ratio(wrong, named),
        }


def score_streams(found: Sequence[StreamMeasures], *, intervals: bool = True) -> StreamScore:
    """Return the score of some streams; without `intervals` it is much faster."""
    sums = _Sums.of(found)
    once = np.ones(len(found), np.int64)
    computed = [d.computed_ms for m in found for d in _changes(m) if d.computed_ms is not None]
    first = [m.detections[0].delay_s for m in found]
    more = {
        "computed_median_ms": _quantile(computed, 0.5),
        "computed_p90_ms": _quantile(computed, 0.9),
        "first_answer_median_s": _quantile([s for s in first if s is not None], 0.5),
    }
    return StreamScore(
        streams=len(found),
        speakers=len({speaker for m in found for speaker in m.stream.speakers}),
        minutes=sum(m.labelled_s for m in found) / 60,
        changes=int(sums.counts[:, 0].sum()),
        figures=sums.figures(once) | more,
        intervals=_bootstrap(sums) if intervals and len(found) > 1 else {},
    )


def group_scores(found: Sequence[StreamMeasures]) -> dict[str, dict[str, StreamScore]]:
    """Return scores by dataset, language, kind and speaker; a stream of two counts for both."""
    columns: Mapping[str, Callable[[StreamMeasures], Sequence[str]]] = {
        "dataset": lambda m: (m.stream.dataset,),
        "language": lambda m: (m.stream.language,),
        "kind": lambda m: (m.stream.kind,),
        "speaker": lambda m: m.stream.speakers,
    }
    scores: dict[str, dict[str, StreamScore]] = {}
    for column, values_of in columns.items():
        for value in sorted({value for m in found for value in values_of(m)} - {""}):
            inside = [m for m in found if value in values_of(m)]
            scores.setdefault(column, {})[value] = score_streams(
                inside, intervals=column != "speaker"
            )
    return scores


def accuracy_since_change(found: Sequence[StreamMeasures]) -> list[dict[str, float]]:
    """Return the share of time shown rightly, by seconds since a change."""
    right = np.sum([m.since_right for m in found], axis=0)
    every = np.sum([m.since_all for m in found], axis=0)
    return [
        {"from_s": step * SINCE_STEP_S, "accuracy": _ratio(r, n), "frames": n}
        for step, (r, n) in enumerate(zip(right.tolist(), every.tolist(), strict=True))
        if n
    ]


def _changes(measures: StreamMeasures) -> list[Detection]:
    return [d for d in measures.detections if d.change.before]


def _named(measures: StreamMeasures) -> tuple[int, int, int]:
    """Return the answers to speech, those that name an emotion, and the wrong ones of them."""
    named = [point for point in measures.points if point.is_sure]
    return len(measures.points), len(named), sum(not point.is_right for point in named)


def _bootstrap(sums: _Sums) -> dict[str, tuple[float, float]]:
    """Draw streams again, within their dataset (Efron, Tibshirani 1993, chapter 13)."""
    rng = np.random.default_rng(0)
    datasets = np.unique([m.stream.dataset for m in sums.found], return_inverse=True)[1]
    inside = [np.flatnonzero(datasets == number) for number in range(datasets.max() + 1)]
    drawn = []
    for _ in range(DRAWS):
        picked = np.concatenate([rng.choice(places, len(places)) for places in inside])
        drawn.append(sums.figures(np.bincount(picked, minlength=len(sums.found))))
    values = {name: np.array([figures[name] for figures in drawn]) for name in drawn[0]}
    return {
        name: (float(low), float(high))
        for name, column in values.items()
        if np.isfinite(column).any()
        for low, high in [np.nanquantile(column, _LEVEL)]
    }


def _uar(confusion: npt.NDArray[np.int64]) -> float:
    support = confusion.sum(axis=1)
    occurs = support > 0
    return float((np.diag(confusion)[occurs] / support[occurs]).mean())


def _quantile(values: npt.ArrayLike, share: float) -> float:
    column = np.asarray(values, np.float64)
    return float(np.quantile(column, share)) if column.size else float("nan")


def _ratio(count: float, of: float) -> float:
    return float(count / of) if of else float("nan")
