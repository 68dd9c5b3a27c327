"""Windows as streams with caches: fresh ones, alone or beside others that come and go."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from ser_rt.classifier import Caches, FloatArray, Hop, StreamingClassifier
from ser_rt.runtime.recognizers.windower import Window
from ser_rt.streaming import Streaming

SLOTS = 4
"""Streams in one call."""


class _Slot(NamedTuple):
    number: int
    hops: Iterator[FloatArray]
    caches: Caches


class FreshStreams:
    """Classifies each window as a fresh stream, whose last hop is its end.

    Up to the length that answers are pooled over, that is what the whole graph computes at once.
    """

    def __init__(self, classifier: StreamingClassifier, streaming: Streaming, hop: int) -> None:
        self._classifier, self._streaming, self._hop = classifier, streaming, hop

    def __call__(self, window: Window) -> FloatArray:
        """Return the probabilities ``[labels]`` after the last hop of a window."""
        probabilities: FloatArray = self.run([window], slots=1)[0]
        return probabilities

    def run(self, windows: Sequence[Window], slots: int = SLOTS) -> FloatArray:
        """Return the probabilities of windows, ``[windows, labels]``.

        One stream begins with every call, so that those of a call are of different ages; where one
        has ended, another begins.
        """
        found: dict[int, FloatArray] = {}
        waiting = list(enumerate(windows))[::-1]
        running: list[_Slot] = []
        while waiting or running:
            if waiting and len(running) < slots:
                number, window = waiting.pop()
                running.append(_Slot(number, self._cut(window), self._streaming.fresh(1)))
            given = [(slot, next(slot.hops, None)) for slot in running]
            going = [(slot, samples) for slot, samples in given if samples is not None]
            running = []
            if not going:
                continue
            hops = [Hop(samples, slot.caches) for slot, samples in going]
            for (slot, _), result in zip(going, self._classifier.classify_hops(hops), strict=True):
                found[slot.number] = result.probabilities
                running.append(slot._replace(caches=result.caches))
        return np.stack([found[number] for number in range(len(windows))])

    def _cut(self, window: Window) -> Iterator[FloatArray]:
        for start in range(0, len(window.samples), self._hop):
            yield window.samples[start : start + self._hop]
