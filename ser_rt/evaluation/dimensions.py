"""Dimensions such as arousal: their values in a manifest, and how well a model rates them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from ser_rt.classifier import EmotionClassifier, FloatArray
from ser_rt.config import model_config
from ser_rt.errors import DataError
from ser_rt.evaluation.batching import DEFAULT_BATCH_SIZE
from ser_rt.evaluation.files import classify_files
from ser_rt.files.names import printable

LEAST = 2
"""Clips with a value that a concordance needs."""


@dataclass(frozen=True)
class Concordance:
    """How well one dimension is rated: its concordance over a number of clips."""

    ccc: float
    clips: int


class RatedClip(Protocol):
    """A file; each of `DIMENSIONS` is an attribute too, its value in a manifest as text."""

    @property
    def path(self) -> Path:
        """The file."""
        ...


def concordance(true: npt.ArrayLike, rated: npt.ArrayLike) -> float:
    """Return the concordance correlation coefficient, -1 to 1; NaN where nothing varies.

    Lin: A concordance correlation coefficient to evaluate reproducibility, Biometrics 1989.
    """
    x, y = np.asarray(true, np.float64), np.asarray(rated, np.float64)
    apart = x.var() + y.var() + (x.mean() - y.mean()) ** 2
    return float(2 * ((x - x.mean()) * (y - y.mean())).mean() / apart) if apart else math.nan


def rating(text: str, name: str, path: str | Path) -> float:
    """Return the value of a dimension in a manifest; NaN where it is empty.

    Raises:
        DataError: it is no number from 0 to 1.
    """
    if not text:
        return math.nan
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 1:
        msg = (
            f"{printable(path)}: {name} is {text!r}, no number from 0 to 1; scale it, such as "
            "(x - 1) / 6 of a scale from 1 to 7, or leave it empty"
        )
        raise DataError(msg)
    return value


class Rater:
    """A classifier's dimensions in the place of its probabilities, for `classify_files`."""

    def __init__(self, classifier: EmotionClassifier) -> None:
        self._classifier = classifier
        self.labels: tuple[str, ...] = getattr(classifier, "dimensions", ())
        self.sample_rate = classifier.sample_rate

    def __call__(self, waveforms: FloatArray) -> FloatArray:
        """Rate float32 ``[batch, samples]``: ``[batch, dimensions]``."""
        rated: FloatArray = self._classifier.rate(waveforms)  # type: ignore[attr-defined]  # of one with dimensions
        return rated


def rate_clips(
    classifier: EmotionClassifier,
    clips: Sequence[RatedClip],
    batch_size: int = DEFAULT_BATCH_SIZE,
    *,
    trim: bool = False,
) -> dict[str, Concordance]:
    """Return the concordance of each dimension that a model rates and clips have values of.

    Raises:
        DataError: a value is no number from 0 to 1.
    """
    rater, paths = Rater(classifier), [clip.path for clip in clips]
    true = np.array(
        [[rating(getattr(c, name), name, c.path) for c in clips] for name in rater.labels]
    )
    if not true.size or not np.isfinite(true).any():
        return {}
    files = classify_files(rater, paths, model_config.max_duration, batch_size, trim=trim)
    unread = np.full(len(rater.labels), np.nan)
    rows = [unread if f.error or f.probabilities is None else f.probabilities for f in files]
    rated = np.stack(rows, axis=1)
    found = {}
    for name, right, got in zip(rater.labels, true, rated, strict=True):
        known = np.isfinite(right) & np.isfinite(got)
        if known.sum() >= LEAST:
            found[name] = Concordance(concordance(right[known], got[known]), int(known.sum()))
    return found
