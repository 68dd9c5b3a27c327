"""`HopCache`: a network that streams computes each hop once, and keeps what later hops need."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ser_rt.classifier import FloatArray, Hop, HopResult, StreamingClassifier
from ser_rt.runtime.recognizers.windower import Window
from ser_rt.streaming import Streaming


class _Stream(NamedTuple):
    begin: int
    """First sample."""
    end: int
    """Sample at which the last hop ends; the caches may lack some of its last frame."""
    result: HopResult


class HopCache:
    """Classifies the windows of one stream in order of time, hop by hop.

    The hops of a window that the caches lack are computed in their order. So a window that the
    speech gate or load shedding left out costs a result, and no audio: its hop comes with the next
    window's. Hops that lie in no later window are never computed. Behind them, and behind a
    gap, the stream is a fresh one that begins at the start of the window: silence costs nothing,
    and the first result after it is over as much audio as that of a whole window.

    What is computed when follows from the windows alone, so chunking changes no digit. A tail,
    which is no whole hop, is filled up with zeros, and leaves nothing in the caches. Where a hop
    is no multiple of the network's frames, the rest of a frame is computed with the next hop.

    A window's result is pooled over all of it, half of which must be of a new emotion before that
    wins; ``alone``, over what no result before it was of, which is for smoothing to join.
    """

    def __init__(
        self,
        classifier: StreamingClassifier,
        streaming: Streaming,
        hop: int,
        *,
        alone: bool = False,
    ) -> None:
        """Start a stream over a shared classifier, with a hop in samples."""
        self._nothing_pooled = streaming.nothing_pooled() if alone else {}
        self._classifier, self._hop = classifier, hop
        self._frame = streaming.frame_samples
        self._shortest = round(streaming.min_hop_s * classifier.sample_rate)
        self._fresh = HopResult(np.empty(0, np.float32), streaming.fresh(1))
        self._stream = _Stream(-1, -1, self._fresh)
        self.hops = 0
        """How many have been computed."""

    def __call__(self, window: Window) -> FloatArray:
        """Return the probabilities ``[labels]`` at the end of a window."""
        end = window.end - window.tail
        if not window.start <= self._whole(self._stream.end) <= self._stream.end <= end:
            begin = window.start + (end - window.start) % self._hop
            self._stream = _Stream(begin, begin, self._fresh)
        while self._stream.end < end:
            start, stop = self._stream.end, self._stream.end + self._hop
            result = self._next(window, self._whole(start), self._whole(stop))
            self._stream = _Stream(self._stream.begin, stop, result)
        result = self._stream.result
        if window.tail:
            result = self._next(window, self._whole(end), window.end)
        if not window.is_early:
            self._empty()
        if not np.isfinite(result.probabilities).all():
            self._stream = _Stream(-1, -1, self._fresh)  # the next window is not to blame
        return result.probabilities

    def _empty(self) -> None:
        last = self._stream.result
        caches = {**last.caches, **self._nothing_pooled}
        self._stream = self._stream._replace(result=last._replace(caches=caches))

    def _whole(self, end: int) -> int:
        """Return where the last whole frame before a sample ends."""
        return end - (end - self._stream.begin) % self._frame

    def _next(self, window: Window, start: int, stop: int) -> HopResult:
        samples = window.samples[start - window.start : stop - window.start]
        missing = max(self._shortest - len(samples), -len(samples) % self._frame)
        if missing > 0:
            samples = np.pad(samples, (0, missing))
        hop = Hop(samples, self._stream.result.caches)
        (result,) = self._classifier.classify_hops([hop])
        self.hops += 1
        return result
