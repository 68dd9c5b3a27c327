"""Graphs of a bundle, and the shapes that a stream runs them with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ser_rt.bundle import Bundle
from ser_rt.classifier import Caches, FloatArray
from ser_rt.constants import MOST_AT_ONCE, SHORTEST_INPUT_S
from ser_rt.manifest import FeatureReuse
from ser_rt.streaming import AUDIO, Cache, Streaming

INPUT = "input_values"
FEATURES = "features"
EMBEDDING, DIMENSIONS = "embedding", "dimensions"
OUTPUTS = ("probabilities", "logits", EMBEDDING)
Shape = tuple[int, ...]

NO_CACHES: Caches = {}


@dataclass(frozen=True)
class Graph:
    """An ONNX file, and the shapes that its first input has in use."""

    path: Path
    input: str
    outputs: tuple[str, ...]
    least: Shape
    usual: Shape
    most: Shape
    caches: tuple[Cache, ...] = ()
    """The other inputs, of a graph that streams; their batch is that of the first."""

    def shapes(self, first: Shape) -> dict[str, Shape]:
        """Return the shape of every input where the first one has this shape."""
        return {self.input: first} | {cache.name: (first[0], *cache.shape) for cache in self.caches}


class OpenGraph(Protocol):
    """A graph that is ready to run, whatever runs it. Calls may come from many threads at once."""

    @property
    def inputs(self) -> list[str]:
        """Names of the inputs."""
        ...

    @property
    def outputs(self) -> dict[str, list[int | str]]:
        """Shape of each output; axes that are free have a text."""
        ...

    @property
    def nodes(self) -> dict[str, int]:
        """Number of nodes by the provider that runs them."""
        ...

    def run(
        self, names: list[str], values: FloatArray, caches: Caches = NO_CACHES
    ) -> list[FloatArray]:
        """Return outputs by name, given the first input, and the others by name."""
        ...


def outputs_of(bundle: Bundle) -> tuple[str, ...]:
    """Return the names of what the graph of a bundle gives."""
    return (*OUTPUTS, DIMENSIONS) if bundle.dimensions else OUTPUTS


def graphs_of(bundle: Bundle, reuse: FeatureReuse | None) -> list[Graph]:
    """Return the graphs to open, the one that gives the answer last."""
    window = round(bundle.window_s * bundle.sample_rate)
    shortest = min(round(SHORTEST_INPUT_S * bundle.sample_rate), window)
    if reuse is None:
        shapes = (1, shortest), (1, window), (MOST_AT_ONCE, window)
        return [Graph(bundle.model_path, INPUT, outputs_of(bundle), *shapes)]
    block = min(hop_block(bundle, reuse), window)
    least, most = (frames_of(reuse, samples) for samples in (shortest, window))
    return [
        Graph(
            reuse.frontend,
            INPUT,
            (FEATURES,),
            (1, min(reuse.receptive_field, block)),
            (1, block),
            (MOST_AT_ONCE, window),
        ),
        Graph(
            reuse.encoder,
            FEATURES,
            outputs_of(bundle),
            (1, least, reuse.channels),
            (1, most, reuse.channels),
            (MOST_AT_ONCE, most, reuse.channels),
        ),
    ]


def stream_graph(bundle: Bundle, streaming: Streaming) -> Graph:
    """Return the graph with caches of a bundle."""
    least, usual, most = (
        round(seconds * bundle.sample_rate)
        for seconds in (streaming.min_hop_s, streaming.hop_s, streaming.max_hop_s)
    )
    return Graph(
        streaming.graph,
        AUDIO,
        (*outputs_of(bundle), *(cache.next_name for cache in streaming.caches)),
        (1, least),
        (1, usual),
        (MOST_AT_ONCE, most),
        streaming.caches,
    )


def frames_of(reuse: FeatureReuse, samples: int) -> int:
    """Return how many frames of features so many samples have."""
    return max(0, (samples - reuse.receptive_field) // reuse.stride + 1)


def hop_block(bundle: Bundle, reuse: FeatureReuse) -> int:
    """Return the samples whose features a full window of a stream lacks."""
    return round(bundle.hop_s * bundle.sample_rate) + reuse.receptive_field - reuse.stride
