"""`EmotionClassifier`, the interface of every model, and what some add to it."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from ser_rt.manifest import FeatureReuse
from ser_rt.streaming import Streaming

FloatArray = npt.NDArray[np.float32]

Caches = Mapping[str, Any]
"""What a network keeps of one stream, by name: arrays ``[1, ...]``, or what the model has in their
place where they stay on a device. Never changed in place."""


class EmotionClassifier(Protocol):
    """Turns waveforms into emotion probabilities.

    One per process, shared by all streams; calls may come from many threads at once.
    """

    @property
    def labels(self) -> tuple[str, ...]:
        """English label of each column of the probabilities."""
        ...

    @property
    def sample_rate(self) -> int:
        """Sample rate in Hz that waveforms must have."""
        ...

    def __call__(self, waveforms: FloatArray) -> FloatArray:
        """Classify float32 ``[batch, samples]`` into probabilities ``[batch, labels]``."""
        ...


@runtime_checkable
class WindowDefaults(Protocol):
    """Addition to a classifier: the windows in seconds that its network was trained for."""

    @property
    def window_s(self) -> float:
        """Length of a full window."""
        ...

    @property
    def hop_s(self) -> float:
        """Time from one window to the next."""
        ...

    @property
    def min_window_s(self) -> float:
        """Shortest window worth classifying: the first early result comes then."""
        ...


@runtime_checkable
class FeatureClassifier(EmotionClassifier, Protocol):
    """Addition to a classifier: features computed once, and shared by windows that overlap.

    ``classifier(waveforms)`` equals ``classify_features(features(waveforms))``.
    """

    @property
    def feature_reuse(self) -> FeatureReuse | None:
        """Which samples a frame of the features covers; None if this network cannot reuse."""
        ...

    def features(self, waveforms: FloatArray) -> FloatArray:
        """Return the features ``[batch, frames, channels]`` of float32 ``[batch, samples]``."""
        ...

    def classify_features(self, features: FloatArray) -> FloatArray:
        """Classify float32 ``[batch, frames, channels]`` into probabilities ``[batch, labels]``."""
        ...


@runtime_checkable
class ExtraClassifier(EmotionClassifier, Protocol):
    """Addition to a classifier: rows, which hold more behind the probabilities of the labels.

    What it makes of features and of hops are rows as well.
    """

    @property
    def dimensions(self) -> tuple[str, ...]:
        """Names of the numbers that follow the probabilities, such as ``arousal``."""
        ...

    @property
    def has_embedding(self) -> bool:
        """Whether the rest of a row is the embedding."""
        ...

    def rows(self, waveforms: FloatArray) -> FloatArray:
        """Classify float32 ``[batch, samples]`` into rows ``[batch, labels + more]``."""
        ...


class Hop(NamedTuple):
    """The next samples of a stream, and the caches that the hop before it left."""

    samples: FloatArray
    """Float32 ``[samples]``."""
    caches: Caches


class HopResult(NamedTuple):
    """What a hop gives."""

    probabilities: FloatArray
    """Float32 ``[labels]``."""
    caches: Caches
    """Those of the next hop."""


@runtime_checkable
class StreamingClassifier(EmotionClassifier, Protocol):
    """Addition to a classifier: a network that computes each hop of a stream once.

    It has no state of its own: a stream's are its caches, which `Streaming.fresh` begins.
    """

    @property
    def streaming(self) -> Streaming | None:
        """Its hops and caches; None if it classifies whole windows."""
        ...

    def classify_hops(self, hops: Sequence[Hop]) -> list[HopResult]:
        """Classify hops of equal length, one of each of some streams, in one call."""
        ...


@runtime_checkable
class WaitingClassifier(EmotionClassifier, Protocol):
    """Addition to the classifier of one stream, whose calls may wait for those of others."""

    @property
    def waited_s(self) -> float:
        """Seconds that its calls have waited for their turn so far, all together."""
        ...
