"""`Extras`, what the rows of a classifier hold behind the probabilities of its labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ser_rt.classifier import EmotionClassifier, ExtraClassifier, FloatArray


class Extras:
    """Takes the rows of a classifier apart."""

    def __init__(self, classifier: EmotionClassifier) -> None:
        self.labels = len(classifier.labels)
        self._dimensions: tuple[str, ...] = ()
        self._has_embedding = False
        if isinstance(classifier, ExtraClassifier):
            self._dimensions = classifier.dimensions
            self._has_embedding = classifier.has_embedding

    def fields(self, row: FloatArray) -> dict[str, Any]:
        """Return the fields of an event that a row ``[labels + more]`` fills."""
        end = self.labels + len(self._dimensions)
        found: dict[str, Any] = {}
        if self._dimensions:
            rated = row[self.labels : end].tolist()
            found["dimensions"] = dict(zip(self._dimensions, rated, strict=True))
        if self._has_embedding:
            found["embedding"] = tuple(row[end:].tolist())
        return found

    def mean(self, rows: Sequence[FloatArray], weights: Sequence[float]) -> dict[str, Any]:
        """Return the fields that the weighted mean of some rows fills; none of no rows."""
        if not rows or not (self._dimensions or self._has_embedding):
            return {}
        mean: FloatArray = np.average(rows, axis=0, weights=weights).astype(np.float32)
        return self.fields(mean)
