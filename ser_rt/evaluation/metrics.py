"""Metrics of a classifier, from label ids and probabilities.

Label ids are integers ``[clips]`` in ``0 .. num_classes - 1``; probabilities are
``[clips, classes]``. A class that no clip has is left out of every mean over classes. A clip
predicted as such a class is still an error: it is missing from the recall of its own class.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ser_rt.errors import DataError, requires

LabelIds = npt.NDArray[np.integer[Any]]
"""``[clips]`` of any integer type."""
FloatRows = npt.NDArray[np.floating[Any]]
"""``[clips, classes]`` of any float type."""
Measure = Callable[[LabelIds, LabelIds, int], float]

_TEMPERATURES = (0.02, 50.0)


@dataclass(frozen=True)
class ClassScore:
    """Metrics of one class. `recall` is NaN for a class that no clip has."""

    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True)
class ReliabilityBin:
    """The clips whose confidence lies in ``(low, high]``: their mean confidence and accuracy."""

    low: float
    high: float
    confidence: float
    accuracy: float
    count: int


def confusion_matrix(
    true: LabelIds, predicted: LabelIds, num_classes: int
) -> npt.NDArray[np.int64]:
    """Count clips ``[true, predicted]``.

    >>> confusion_matrix(np.array([0, 0, 1]), np.array([0, 1, 1]), 2).tolist()
    [[1, 1], [0, 1]]
    """
    true, predicted = np.asarray(true), np.asarray(predicted)
    if true.shape != predicted.shape or true.ndim != 1 or true.size == 0:
        msg = f"labels {true.shape}, predictions {predicted.shape}: give two equal lists, not empty"
        raise DataError(msg)
    lowest, highest = min(true.min(), predicted.min()), max(true.max(), predicted.max())
    if lowest < 0 or highest >= num_classes:
        msg = f"label ids run from {lowest} to {highest}: they must be 0 to {num_classes - 1}"
        raise DataError(msg)
    cells = np.bincount(true * num_classes + predicted, minlength=num_classes**2)
    return cells.reshape(num_classes, num_classes).astype(np.int64)


def per_class(true: LabelIds, predicted: LabelIds, num_classes: int) -> list[ClassScore]:
    """Precision (0 if never predicted), recall, F1 and support of every class."""
    matrix = confusion_matrix(true, predicted, num_classes)
    hits, support, chosen = np.diag(matrix), matrix.sum(axis=1), matrix.sum(axis=0)
    return [
        ClassScore(
            precision=float(h / c) if c else 0.0,
            recall=float(h / s) if s else float("nan"),
            f1=float(2 * h / (s + c)) if s + c else 0.0,
            support=int(s),
        )
        for h, s, c in zip(hits, support, chosen, strict=True)
    ]


def unweighted_average_recall(true: LabelIds, predicted: LabelIds, num_classes: int) -> float:
    """Mean recall of the classes that occur (UAR), chance being one over their number.

    Schuller, Steidl, Batliner: The INTERSPEECH 2009 Emotion Challenge.

    >>> unweighted_average_recall(np.array([0, 0, 0, 1]), np.array([0, 0, 0, 0]), 2)
    0.5
    """
    matrix = confusion_matrix(true, predicted, num_classes)
    support = matrix.sum(axis=1)
    occurs = support > 0
    return float((np.diag(matrix)[occurs] / support[occurs]).mean())


def weighted_accuracy(true: LabelIds, predicted: LabelIds, num_classes: int) -> float:
    """Share of clips that are right (WA): recall weighted by how frequent each class is."""
    matrix = confusion_matrix(true, predicted, num_classes)
    return float(np.trace(matrix) / matrix.sum())


def macro_f1(true: LabelIds, predicted: LabelIds, num_classes: int) -> float:
    """Mean F1 of the classes that occur."""
    matrix = confusion_matrix(true, predicted, num_classes)
    support = matrix.sum(axis=1)
    occurs = support > 0
    f1 = 2 * np.diag(matrix) / np.maximum(support + matrix.sum(axis=0), 1)
    return float(f1[occurs].mean())


def bootstrap_interval(
    true: LabelIds,
    predicted: LabelIds,
    groups: npt.ArrayLike | None,
    num_classes: int,
    measure: Measure = unweighted_average_recall,
    *,
    draws: int = 1000,
    seed: int = 0,
    strata: npt.ArrayLike | None = None,
    level: float = 0.95,
) -> tuple[float, float]:
    """Return the bootstrap interval of a measure, resampling whole groups (speakers).

    Clips of one speaker are alike, so an interval over clips is too narrow for unseen speakers.
    With two or three speakers there are only a handful of different draws: report their number
    beside the interval, and call the interval over clips a lower bound.

    Efron, Tibshirani: An Introduction to the Bootstrap, 1993, chapter 13.

    Args:
        true: label ids ``[clips]``.
        predicted: label ids ``[clips]``.
        groups: speaker of each clip ``[clips]``; None draws clips instead of speakers.
        num_classes: number of classes.
        measure: for example `unweighted_average_recall` or `macro_f1`.
        draws: number of draws.
        seed: seed of the draws.
        strata: groups are drawn within these, for example the dataset of each clip ``[clips]``.
        level: share of the draws that the interval covers.
    """
    true, predicted = np.asarray(true), np.asarray(predicted)
    everything = np.arange(len(true))
    owner = everything if groups is None else np.unique(np.asarray(groups), return_inverse=True)[1]
    stratum = (
        np.zeros(len(true), int)
        if strata is None
        else np.unique(np.asarray(strata), return_inverse=True)[1]
    )
    if not len(true) == len(predicted) == len(owner) == len(stratum):
        sizes = f"{len(true)}, {len(predicted)}, {len(owner)} and {len(stratum)}"
        msg = f"{sizes} labels, predictions, groups and strata: give one of each per clip"
        raise DataError(msg)
    per_stratum: list[list[npt.NDArray[np.intp]]] = []
    for one in np.unique(stratum):
        inside = everything[stratum == one]
        ordered = inside[np.argsort(owner[inside], kind="stable")]
        per_stratum.append(np.split(ordered, np.flatnonzero(np.diff(owner[ordered])) + 1))
    rng = np.random.default_rng(seed)
    values = np.empty(draws)
    for draw in range(draws):
        picked = np.concatenate(
            [clips[i] for clips in per_stratum for i in rng.integers(0, len(clips), len(clips))]
        )
        values[draw] = measure(true[picked], predicted[picked], num_classes)
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def reliability_curve(
    true: LabelIds, probabilities: FloatRows, bins: int = 15
) -> list[ReliabilityBin]:
    """Return accuracy against confidence in `bins` of equal width; empty bins are left out.

    Niculescu-Mizil, Caruana: Predicting good probabilities with supervised learning, ICML 2005.
    """
    true, probabilities = _checked(true, probabilities)
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == true
    place = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    return [
        ReliabilityBin(
            low=b / bins,
            high=(b + 1) / bins,
            confidence=float(confidence[place == b].mean()),
            accuracy=float(right[place == b].mean()),
            count=int((place == b).sum()),
        )
        for b in np.unique(place).tolist()
    ]


def expected_calibration_error(true: LabelIds, probabilities: FloatRows, bins: int = 15) -> float:
    """Return the mean distance of confidence and accuracy over `reliability_curve` (ECE).

    Guo, Pleiss, Sun, Weinberger: On calibration of modern neural networks, ICML 2017, equation 3.

    >>> round(expected_calibration_error(np.array([0, 0]), np.array([[0.9, 0.1], [0.9, 0.1]])), 3)
    0.1
    """
    curve = reliability_curve(true, probabilities, bins)
    return sum(b.count * abs(b.accuracy - b.confidence) for b in curve) / sum(
        b.count for b in curve
    )


def negative_log_likelihood(true: LabelIds, probabilities: FloatRows) -> float:
    """Mean of -log of the true class's probability, in nats; a probability of 0 counts as 1e-12."""
    true, probabilities = _checked(true, probabilities)
    return float(-np.log(np.maximum(probabilities[np.arange(len(true)), true], 1e-12)).mean())


def fit_temperature(true: LabelIds, logits: FloatRows, weights: FloatRows | None = None) -> float:
    """Return the temperature, between 0.02 and 50, that minimises the loss of logits divided by it.

    It is 1 where all clips are right, as few may be.
    Log-probabilities will do for logits. `weights` ``[clips]`` say how much each clip counts; None
    counts all alike. Guo et al., ICML 2017, section 4.2.
    """
    with requires("scipy", "train"):
        from scipy.optimize import minimize_scalar
        from scipy.special import log_softmax
    true, logits = _checked(true, logits)
    clips = np.arange(len(true))
    if weights is not None and np.shape(weights) != true.shape:
        msg = f"weights {np.shape(weights)} of labels {true.shape}: give one for each clip"
        raise DataError(msg)

    def loss(log_temperature: float) -> float:
        scaled = log_softmax(logits / np.exp(log_temperature), axis=1)
        return float(-np.average(scaled[clips, true], weights=weights))

    found = minimize_scalar(loss, bounds=np.log(_TEMPERATURES), options={"xatol": 1e-6})
    # Clips that are all right would make it endlessly sure: they do not tell how sure it may be.
    has_none = found.x < np.log(_TEMPERATURES[0]) + 0.01
    return 1.0 if has_none else float(np.exp(found.x))


def _checked(
    true: LabelIds, rows: FloatRows
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    ids, table = np.asarray(true), np.asarray(rows, np.float64)
    if table.ndim != 2 or ids.shape != table.shape[:1] or ids.size == 0:
        msg = f"labels {ids.shape}, scores {table.shape}: give [clips] and [clips, classes]"
        raise DataError(msg)
    if ids.min() < 0 or ids.max() >= table.shape[1]:
        msg = f"label ids run from {ids.min()} to {ids.max()}: there are {table.shape[1]} columns"
        raise DataError(msg)
    if np.isnan(table).any():
        msg = "scores hold NaN: the model that made them is broken, or its input was"
        raise DataError(msg)
    return ids.astype(np.int64), table
