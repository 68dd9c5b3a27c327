"""Runs of a graph with caches, hop by hop."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ser_rt.export.files import Batch, open_session
from ser_rt.export.verify import ModelOutputs, outputs_of
from ser_rt.streaming import AUDIO, Streaming

if TYPE_CHECKING:
    from ser_rt.classifier import FloatArray

Caches = dict[str, npt.NDArray[Any]]

_STREAMS = 4
_EVERY = 4


class StreamRun:
    """A graph with caches on the CPU, and the caches of a number of streams."""

    def __init__(self, graph: Path, streaming: Streaming) -> None:
        self._session = open_session(graph)
        self._streaming = streaming
        self._names = [output.name for output in self._session.get_outputs()]
        self.caches: Caches = {}

    def reset(self, batch: int) -> None:
        """Begin fresh streams."""
        self.caches = self._streaming.fresh(batch)

    def feeds(self, audio: FloatArray) -> Caches:
        """Return the graph's inputs for a hop ``[batch, samples]``."""
        return {AUDIO: audio, **self.caches}

    def hop(self, audio: FloatArray) -> ModelOutputs:
        """Classify a hop ``[batch, samples]``, and keep the caches."""
        found = dict(zip(self._names, self._session.run(None, self.feeds(audio)), strict=True))
        self.caches = {one.name: found[one.next_name] for one in self._streaming.caches}
        return outputs_of([found[name] for name in ModelOutputs._fields if name in found])

    def run(self, audio: FloatArray, hops: Sequence[int]) -> ModelOutputs:
        """Return the outputs of fresh streams ``[batch, samples]``, ``[hops, batch, ...]`` each.

        Args:
            audio: the streams.
            hops: frames in each hop.
        """
        self.reset(len(audio))
        found = [self.hop(part) for part in cut(audio, hops, self._streaming.frame_samples)]
        return ModelOutputs(*(np.stack(values) for values in zip(*found, strict=True)))


def cut(audio: FloatArray, hops: Sequence[int], frame: int) -> Iterator[FloatArray]:
    """Yield the hops of streams ``[batch, samples]``; `hops` are in frames."""
    ends = np.cumsum(hops) * frame
    for start, end in zip((0, *ends[:-1]), ends, strict=True):
        yield audio[:, start:end]


def calibration_of(
    graph: Path, streaming: Streaming, speech: Sequence[FloatArray], hop: int
) -> list[Batch]:
    """Return inputs of a graph with caches as they are in the midst of streams, and at a start.

    Args:
        graph: in float32.
        streaming: its description.
        speech: windows of speech ``[1, samples]``, which are strung together.
        hop: samples.
    """
    audio = np.concatenate([window[0] for window in speech])
    rows = min(_STREAMS, max(1, len(audio) // (_EVERY * hop)))
    streams = audio[: len(audio) // rows * rows].reshape(rows, -1)
    run = StreamRun(graph, streaming)
    run.reset(rows)
    feeds: list[Batch] = []
    for number, start in enumerate(range(0, streams.shape[1] - hop + 1, hop)):
        part = np.ascontiguousarray(streams[:, start : start + hop])
        if number % _EVERY in {0, _EVERY - 1}:
            feeds.append(run.feeds(part))
        run.hop(part)
    return feeds[::-1]  # the first one is where the most sensitive products are looked for
