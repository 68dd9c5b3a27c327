"""`ExtrasClassifier`, a network of which streams use more than the probabilities of labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ser_rt.bundle import Bundle
from ser_rt.classifier import FloatArray, Hop, HopResult
from ser_rt.runtime.backends.graphs import DIMENSIONS, EMBEDDING
from ser_rt.runtime.backends.onnx_classifier import OnnxClassifier


class ExtrasClassifier(OnnxClassifier):
    """An `OnnxClassifier` with rows that hold dimensions and embedding behind the probabilities.

    So they pass through everything that passes rows on: caches of a stream, and calls that streams
    share. `ser_rt.runtime.recognizers.extras` takes them apart.
    """

    def __init__(self, bundle: Bundle, *args: Any, embedding: bool = False, **kwargs: Any) -> None:
        """Load the network, as `OnnxClassifier` does, with what its rows shall hold."""
        super().__init__(bundle, *args, **kwargs)
        self.has_embedding = embedding
        wanted = {DIMENSIONS: bool(bundle.dimensions), EMBEDDING: embedding}
        self._names = ["probabilities", *(name for name, is_wanted in wanted.items() if is_wanted)]

    def rows(self, waveforms: FloatArray) -> FloatArray:
        """Classify float32 ``[batch, samples]`` into rows, ``[batch, labels + more]``."""
        return np.hstack(self.outputs(waveforms, *self._names))

    def classify_features(self, features: FloatArray) -> FloatArray:
        """Classify float32 ``[batch, frames, channels]`` into rows."""
        return np.hstack(self.outputs_of_features(features, *self._names))

    def classify_hops(self, hops: Sequence[Hop]) -> list[HopResult]:
        """Classify hops into rows; arguments as of `OnnxClassifier`."""
        return self._classified(hops, self._names)
