"""Figures of merit of a classifier, from label ids and probabilities.

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

from ser_rt.errors import DataError

IntArray = npt.NDArray[np.integer[Any]]
FloatArray = npt.NDArray[np.floating[Any]]
Measure = Callable[[IntArray, IntArray, int], float]

_GOLDEN = (5**0.5 - 1) / 2
_TEMPERATURES = (0.02, 50.0)


@dataclass(frozen=True)
class ClassScore:
    """How well one class is told from the others. `recall` is NaN for a class that no clip has."""

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
    true: IntArray, predicted: IntArray, num_classes: int
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


def per_class(true: IntArray, predicted: IntArray, num_classes: int) -> list[ClassScore]:
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


def unweighted_average_recall(true: IntArray, predicted: IntArray, num_classes: int) -> float:
    """Mean recall of the classes that occur (UAR), chance being one over their number.

    Schuller, Steidl, Batliner: The INTERSPEECH 2009 Emotion Challenge.

    >>> unweighted_average_recall(np.array([0, 0, 0, 1]), np.array([0, 0, 0, 0]), 2)
    0.5
    """
    matrix = confusion_matrix(true, predicted, num_classes)
    support = matrix.sum(axis=1)
    occurs = support > 0
    return float((np.diag(matrix)[occurs] / support[occurs]).mean())


def weighted_accuracy(true: IntArray, predicted: IntArray, num_classes: int) -> float:
    """Share of clips that are right (WA): recall weighted by how frequent each class is."""
    matrix = confusion_matrix(true, predicted, num_classes)
    return float(np.trace(matrix) / matrix.sum())


def macro_f1(true: IntArray, predicted: IntArray, num_classes: int) -> float:
    """Mean F1 of the classes that occur."""
    matrix = confusion_matrix(true, predicted, num_classes)
    support = matrix.sum(axis=1)
    occurs = support > 0
    f1 = 2 * np.diag(matrix) / np.maximum(support + matrix.sum(axis=0), 1)
    return float(f1[occurs].mean())


def bootstrap_interval(
    true: IntArray,
    predicted: IntArray,
    groups: npt.ArrayLike | None,
    num_classes: int,
    measure: Measure = unweighted_average_recall,
    *,
    draws: int = 1000,
    seed: int = 0,
    strata: npt.ArrayLike | None = None,
    level: float = 0.95,
) -> tuple[float, float]:
    """Percentile interval of a measure when whole groups (speakers) are drawn again.

    Clips of one speaker are alike, so drawing clips makes an interval too narrow for unseen
    speakers. With two or three speakers there are only a handful of different draws: report their
    number beside the interval, and the interval over clips as what it is, a lower bound.

    Efron, Tibshirani: An Introduction to the Bootstrap, 1993, chapter 13.

    Args:
        true: label ids ``[clips]``.
        predicted: label ids ``[clips]``.
        groups: who speaks in each clip ``[clips]``; None draws clips instead of speakers.
        num_classes: number of classes.
        measure: for example `unweighted_average_recall` or `macro_f1`.
        draws: how often to draw.
        seed: seed of the draws.
        strata: groups are drawn within these, for example the dataset of each clip ``[clips]``.
        level: share of the draws that the interval covers.
    """
    true, predicted = np.asarray(true), np.asarray(predicted)
    clips = np.arange(len(true))
    owner = clips if groups is None else np.unique(np.asarray(groups), return_inverse=True)[1]
    stratum = (
        np.zeros(len(true), int)
        if strata is None
        else np.unique(np.asarray(strata), return_inverse=True)[1]
    )
    if not len(true) == len(predicted) == len(owner) == len(stratum):
        sizes = f"{len(true)}, {len(predicted)}, {len(owner)} and {len(stratum)}"
        msg = f"{sizes} labels, predictions, groups and strata: give one of each per clip"
        raise DataError(msg)
    houses: list[list[npt.NDArray[np.intp]]] = []
    for one in np.unique(stratum):
        inside = clips[stratum == one]
        ordered = inside[np.argsort(owner[inside], kind="stable")]
        houses.append(np.split(ordered, np.flatnonzero(np.diff(owner[ordered])) + 1))
    rng = np.random.default_rng(seed)
    values = np.empty(draws)
    for draw in range(draws):
        picked = np.concatenate(
            [house[i] for house in houses for i in rng.integers(0, len(house), len(house))]
        )
        values[draw] = measure(true[picked], predicted[picked], num_classes)
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def reliability_curve(
    true: IntArray, probabilities: FloatArray, bins: int = 15
) -> list[ReliabilityBin]:
    """Confidence against accuracy, in `bins` equal widths of confidence; empty ones left out.

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


def expected_calibration_error(true: IntArray, probabilities: FloatArray, bins: int = 15) -> float:
    """Mean distance between confidence and accuracy over the bins of `reliability_curve` (ECE).

    Guo, Pleiss, Sun, Weinberger: On calibration of modern neural networks, ICML 2017, equation 3.

    >>> round(expected_calibration_error(np.array([0, 0]), np.array([[0.9, 0.1], [0.9, 0.1]])), 3)
    0.1
    """
    curve = reliability_curve(true, probabilities, bins)
    return sum(b.count * abs(b.accuracy - b.confidence) for b in curve) / sum(
        b.count for b in curve
    )


def negative_log_likelihood(true: IntArray, probabilities: FloatArray) -> float:
    """Mean of -log of the true class's probability, in nats; a probability of 0 counts as 1e-12."""
    true, probabilities = _checked(true, probabilities)
    return float(-np.log(np.maximum(probabilities[np.arange(len(true)), true], 1e-12)).mean())


def fit_temperature(true: IntArray, logits: FloatArray) -> float:
    """Find the temperature by which to divide logits (or log-probabilities), by least loss.

    Guo et al., ICML 2017, section 4.2. The loss has one minimum in the temperature, so a golden
    section search over its logarithm finds it; it is held between 0.02 and 50.
    """
    true, logits = _checked(true, logits)

    def loss(log_temperature: float) -> float:
        scaled = logits / np.exp(log_temperature)
        scaled = scaled - scaled.max(axis=1, keepdims=True)
        right = scaled[np.arange(len(true)), true]
        return float((np.log(np.exp(scaled).sum(axis=1)) - right).mean())

    low, high = (float(np.log(t)) for t in _TEMPERATURES)
    left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    at_left, at_right = loss(left), loss(right)
    while high - low > 1e-6:
        if at_left <= at_right:
            high, right, at_right = right, left, at_left
            left = high - _GOLDEN * (high - low)
            at_left = loss(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + _GOLDEN * (high - low)
            at_right = loss(right)
    return float(np.exp((low + high) / 2))


def _checked(
    true: IntArray, rows: FloatArray
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
