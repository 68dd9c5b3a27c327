"""`window_classifier`: how the windows of a stream are classified, as the classifier allows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ser_rt.classifier import (
    EmotionClassifier,
    ExtraClassifier,
    FeatureClassifier,
    FloatArray,
    StreamingClassifier,
)
from ser_rt.constants import SHORTEST_INPUT_S
from ser_rt.runtime.recognizers.feature_cache import FeatureCache
from ser_rt.runtime.recognizers.hop_cache import HopCache
from ser_rt.runtime.recognizers.windower import Window
from ser_rt.streaming import Streaming


def window_classifier(
    classifier: EmotionClassifier, hop: int, streaming: Streaming | None, *, alone: bool = False
) -> Callable[[Window], FloatArray]:
    """Return a function from the windows of one stream, in order, to rows.

    A row is the probabilities ``[labels]``, and of an `ExtraClassifier` what it has besides.
    A network that streams computes every hop once, with `HopCache`. Of others windows share
    features where they can, with `FeatureCache`; else each is computed whole.

    Args:
        classifier: The model, shared by all streams.
        hop: Samples from one window to the next.
        streaming: Hops and caches of the stream, from `StreamSettings.streaming_for`.
        alone: Whether a network that streams answers for what is new since its last result alone.
    """
    if streaming is not None and isinstance(classifier, StreamingClassifier):
        return HopCache(classifier, streaming, hop, alone=alone)

    def whole(window: Window) -> FloatArray:
        missing = shortest - len(window.samples)
        samples = np.pad(window.samples, (0, missing)) if missing > 0 else window.samples
        row: FloatArray = classify(samples[np.newaxis])[0]
        return row

    classify = classifier.rows if isinstance(classifier, ExtraClassifier) else classifier
    shortest = round(SHORTEST_INPUT_S * classifier.sample_rate)
    if not isinstance(classifier, FeatureClassifier) or classifier.feature_reuse is None:
        return whole
    shared = FeatureCache(classifier, classifier.feature_reuse)
    return lambda window: (shared if len(window.samples) >= shortest else whole)(window)
