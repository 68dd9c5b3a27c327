"""`Batcher`: windows and hops of many streams share the calls of one model, in fair turns.

    batcher = Batcher(model, max_batch=16)
    stream = open_stream(sample_rate=16_000, model=batcher.open(), live=True)

`Batcher.open` returns the `EmotionClassifier` of one stream. Its calls block until the result is
there, so each stream needs a thread meanwhile; `BatchedClassifier.offer` does not wait.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from ser_rt.checks import at_least, require
from ser_rt.classifier import (
    EmotionClassifier,
    FeatureClassifier,
    FloatArray,
    Hop,
    HopResult,
    StreamingClassifier,
)
from ser_rt.errors import ConfigError, InferenceError
from ser_rt.manifest import FeatureReuse
from ser_rt.runtime.backends.shared_call import Call, Stacked, Waiting, as_ours
from ser_rt.runtime.settings import DEFAULTS
from ser_rt.streaming import Streaming

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Batch:
    """One call of the model, as it was measured.

    Attributes:
        size: How many windows shared it.
        waited_s: How long each of them had waited for its turn.
        inference_s: What the call took.
    """

    size: int
    waited_s: tuple[float, ...]
    inference_s: float


class Batcher:
    """Merges the windows of many streams into calls of at most ``max_batch`` of equal length.

    Nothing is padded, so a window's result depends on no other. The stream that has waited longest
    comes first, and no stream has a second window in a call while another's first one waits.
    """

    def __init__(
        self,
        classifier: EmotionClassifier,
        *,
        max_batch: int = 1,
        max_wait_s: float = 0.0,
        workers: int = 1,
        observe: Callable[[Batch], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start the threads that call a model.

        Args:
            classifier: The model; it must take calls of ``workers`` threads at once.
            max_batch: Windows of one call. On a CPU more than one gains nothing: with 1 the
                batcher only gives turns.
            max_wait_s: How long in seconds the first window of a call waits for others while the
                model is idle. While it is busy they gather without waiting.
            workers: Calls at once.
            observe: Called after each call of the model, in the thread that made it.
            clock: Monotonic time in seconds.

        Raises:
            ConfigError: A number is out of range.
        """
        require("max_batch", max_batch, at_least(1))
        require("max_wait_s", max_wait_s, at_least(0))
        require("workers", workers, at_least(1))
        self.classifier = classifier
        self._max_batch, self._max_wait_s = max_batch, max_wait_s
        self._observe, self._clock = observe, clock
        self._streams: OrderedDict[BatchedClassifier, deque[Waiting]] = OrderedDict()
        self._changed = threading.Condition()
        self._is_open = True
        self._threads = [
            threading.Thread(target=self._work, name=f"ser-rt-model-{number}", daemon=True)
            for number in range(workers)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def waiting(self) -> int:
        """Number of windows that wait for their turn."""
        with self._changed:
            return sum(map(len, self._streams.values()))

    def open(self) -> BatchedClassifier:
        """Return the classifier of one more stream; it needs no closing."""
        return BatchedClassifier(self)

    def close(self) -> None:
        """Take no more windows, classify those that wait, and end the threads."""
        with self._changed:
            self._is_open = False
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def add(
        self, stream: BatchedClassifier, call: Call, given: FloatArray | Hop, *, is_final: bool
    ) -> Waiting:
        """Queue the input of one window, or a hop; see `BatchedClassifier.offer`."""
        shape = given.samples.shape if isinstance(given, Hop) else given.shape
        window = Waiting(call, given, shape, self._clock(), is_final)
        with self._changed:
            if not self._is_open:
                msg = "the batcher is closed; make another one"
                raise InferenceError(msg)
            queue = self._streams.setdefault(stream, deque())
            stale = next((old for old in queue if not old.is_final), None)
            if stale is not None:
                queue.remove(stale)
                if stale.result.set_running_or_notify_cancel():
                    stale.result.set_result(None)
                window.since = stale.since  # a newer window keeps the place of the older one
            queue.append(window)
            self._changed.notify()
        return window

    def _work(self) -> None:
        while batch := self._next_batch():
            self._run(batch)

    def _next_batch(self) -> list[Waiting]:
        """Wait for windows and take those of the next call; none after the last."""
        with self._changed:
            while True:
                if not self._streams:
                    if not self._is_open:
                        return []
                    self._changed.wait()
                    continue
                due_at = min(q[0].since for q in self._streams.values()) + self._max_wait_s
                wait_s = due_at - self._clock()
                if self._is_open and wait_s > 0 and not self._is_full():
                    self._changed.wait(wait_s)
                elif batch := self._take():
                    return batch

    def _is_full(self) -> bool:
        oldest = next(iter(self._streams.values()))[0]
        waiting = (window for queue in self._streams.values() for window in queue)
        return sum(window.is_like(oldest) for window in waiting) >= self._max_batch

    def _take(self) -> list[Waiting]:
        batch: list[Waiting] = []
        oldest = next(iter(self._streams.values()))[0]
        took = True
        while took and len(batch) < self._max_batch:
            took = False
            for stream in list(self._streams):
                queue = self._streams[stream]
                if len(batch) == self._max_batch or not queue[0].is_like(oldest):
                    continue
                window = queue.popleft()
                if window.result.set_running_or_notify_cancel():
                    batch.append(window)
                took = True
                self._streams.move_to_end(stream)
                if not queue:
                    del self._streams[stream]
        return batch

    def _run(self, batch: list[Waiting]) -> None:
        started = self._clock()
        for window in batch:
            window.waited_s = started - window.since
        try:
            results = batch[0].call([window.input for window in batch])
            classified = list(zip(batch, results, strict=True))
        except Exception as error:  # noqa: BLE001 (whatever a model raises belongs to its streams)
            if len(batch) == 1:
                batch[0].result.set_exception(as_ours(error))
            else:
                for window in batch:  # one of them is to blame; the others get their results
                    self._run([window])
            return
        if self._observe is not None:
            waited_s = tuple(window.waited_s for window in batch)
            try:
                self._observe(Batch(len(batch), waited_s, self._clock() - started))
            except Exception:
                logger.exception("the observer of the batcher failed")
        for window, result in classified:
            window.result.set_result(result)


class BatchedClassifier:
    """The `EmotionClassifier` of one stream, whose calls wait for their turn in a `Batcher`."""

    def __init__(self, batcher: Batcher) -> None:
        """Open a stream; `Batcher.open` does."""
        self._batcher, self._model = batcher, (model := batcher.classifier)
        self.labels, self.sample_rate = model.labels, model.sample_rate
        self.window_s, self.hop_s, self.min_window_s = DEFAULTS.windows_for(model)
        self.max_window_s = getattr(model, "max_window_s", None)
        self.profiles = getattr(model, "profiles", {})
        self.temperature_by_speech = getattr(model, "temperature_by_speech", {})
        self.turn_temperature = getattr(model, "turn_temperature", None)
        self.dimensions = getattr(model, "dimensions", ())
        self.has_embedding = getattr(model, "has_embedding", False)
        self._parts = model if isinstance(model, FeatureClassifier) else None
        self._streams = model if isinstance(model, StreamingClassifier) else None
        self.waited_s = 0.0
        """Seconds that its calls have waited for their turn; `offer` does not count."""

    def __call__(self, waveforms: FloatArray) -> FloatArray:
        """Classify float32 ``[batch, samples]`` into ``[batch, labels]``.

        Raises:
            InferenceError: The model failed, or the batcher is closed.
        """
        return self._wait(self._model, waveforms)

    def rows(self, waveforms: FloatArray) -> FloatArray:
        """Classify as `ExtraClassifier` does, when it is their turn."""
        return self._wait(getattr(self._model, "rows", self._model), waveforms)

    @property
    def feature_reuse(self) -> FeatureReuse | None:
        """As of the model: None if it has no features to share."""
        return None if self._parts is None else self._parts.feature_reuse

    def features(self, waveforms: FloatArray) -> FloatArray:
        """Return the features of `FeatureClassifier`, when it is their turn."""
        return self._wait(self._feature_classifier.features, waveforms)

    def classify_features(self, features: FloatArray) -> FloatArray:
        """Classify features as `FeatureClassifier` does, when it is their turn."""
        return self._wait(self._feature_classifier.classify_features, features)

    @property
    def _feature_classifier(self) -> FeatureClassifier:
        if self._parts is None:
            msg = f"{type(self._model).__name__} has no features to share"
            raise ConfigError(msg)
        return self._parts

    @property
    def streaming(self) -> Streaming | None:
        """As of the model: None if it classifies whole windows."""
        return None if self._streams is None else self._streams.streaming

    def classify_hops(self, hops: Sequence[Hop]) -> list[HopResult]:
        """Classify hops as `StreamingClassifier` does, when it is their turn."""
        if self._streams is None:
            msg = f"{type(self._model).__name__} has no hops to classify"
            raise ConfigError(msg)
        return self._results(self._streams.classify_hops, hops)

    def _wait(self, function: Callable[[FloatArray], FloatArray], rows: FloatArray) -> FloatArray:
        return np.stack(self._results(Stacked(function), rows))

    def _results(self, call: Call, inputs: Iterable[FloatArray | Hop]) -> list[Any]:
        waiting = [self._batcher.add(self, call, given, is_final=True) for given in inputs]
        results = [window.result.result() for window in waiting]
        self.waited_s += waiting[0].waited_s if waiting else 0.0
        return results

    def offer(self, samples: FloatArray, *, is_final: bool = False) -> Future[FloatArray | None]:
        """Queue a window, float32 ``[samples]``, and do not wait.

        Args:
            samples: The window; not to be changed before the result is there.
            is_final: Whether it must have a result. Else a newer window of this stream takes its
                place in the queue, and its result is None.

        Returns:
            Probabilities ``[labels]``, None, or an `InferenceError`, later; it may be cancelled.
        """
        return self._batcher.add(self, Stacked(self._model), samples, is_final=is_final).result
