"""Operations of a hop of a bundle, counted in its own graphs. Needs neither torch nor onnx.

A graph is run once, unoptimised, in onnxruntime's profiler, which notes the shapes of every node:
so what a hop attends to in its caches counts as it is computed. 2 operations are a multiplication
and an addition:

    MatMul, MatMulInteger, Gemm   2 x size of the output x inner size
    Conv, ConvInteger             2 x size of the output x channels of a group x kernel

Norms, activations and softmax are left out: they are no matrix products.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from ser_rt.benchmarks.measure.variant import RATE_HZ, Variant
from ser_rt.bundle import Bundle
from ser_rt.errors import ConfigError
from ser_rt.runtime.backends.graphs import Graph, Shape, graphs_of, stream_graph
from ser_rt.runtime.backends.ort import onnxruntime
from ser_rt.streaming import Streaming

_NO_MESSAGES = 4


_OTHER_PRODUCTS = ("Attention", "Einsum", "GRU", "LSTM", "QLinearConv", "QLinearMatMul", "RNN")


def name_of(variant: Variant) -> str:
    """Return what a variant computes for a result, apart from where."""
    model = f"{Path(variant.model).name} {variant.precision}".strip()
    if variant.streaming:
        return f"{model} streaming, hop {variant.hop_s:g} s"
    hop = f", hop {variant.hop_s:g} s" if variant.runner == "ser-rt" else ""
    return f"{model}, window {variant.window_s:g} s{hop}"


def operations_of(variant: Variant) -> float:
    """Return the operations of a hop of a stream, or of a window where a variant classifies one.

    Raises:
        ConfigError: There is no formula for an operator of the bundle.
    """
    bundle = replace(Bundle.load(variant.model), window_s=variant.window_s, hop_s=variant.hop_s)
    if variant.streaming and bundle.streaming is not None:
        return _of_hop(bundle, bundle.streaming)
    reuse = bundle.feature_reuse if variant.runner == "ser-rt" else None
    return sum(_count(graph, graph.usual) for graph in graphs_of(bundle, reuse))


def _of_hop(bundle: Bundle, streaming: Streaming) -> float:
    """Count a hop; one of no whole frames is as many of each of two lengths as its mean needs."""
    graph, frame = stream_graph(bundle, streaming), streaming.frame_samples
    frames, rest = divmod(bundle.hop_s * RATE_HZ / frame, 1)
    lengths = [(round(frames), 1 - rest), (round(frames) + 1, rest)]
    return sum(share * _count(graph, (1, size * frame)) for size, share in lengths if share)


@cache
def _count(graph: Graph, shape: Shape) -> float:
    ort = onnxruntime()
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = _NO_MESSAGES
    options.enable_profiling = True
    with tempfile.TemporaryDirectory(prefix="ser-bench-") as folder:
        options.profile_file_prefix = str(Path(folder, "graph"))
        session = ort.InferenceSession(str(graph.path), options, providers=["CPUExecutionProvider"])
        given: dict[str, Any] = {graph.input: np.zeros(shape, np.float32)}
        given |= {cache.name: cache.zeros(shape[0]) for cache in graph.caches}
        session.run(None, given)
        events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
    return sum(map(_operations, _nodes(events)))


def _nodes(events: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for event in events:
        if event["name"].endswith("_kernel_time"):
            yield event["args"]


def _operations(node: Mapping[str, Any]) -> float:
    (result, *_), given = _shapes(node["output_type_shape"]), _shapes(node["input_type_shape"])
    match node["op_name"]:
        case "MatMul" | "MatMulInteger":
            inner = given[0][-1]
        case "Gemm":
            inner = prod(given[0]) // result[0]
        case "Conv" | "ConvInteger":
            inner = prod(given[1][1:])
        case other if other in _OTHER_PRODUCTS:
            msg = f"there is no formula for the operations of {other}: leave --floor out"
            raise ConfigError(msg)
        case _:
            return 0.0
    return 2.0 * prod(result) * inner


def _shapes(found: list[Mapping[str, list[int]]]) -> list[list[int]]:
    """Read shapes, each of which is under the name of its type."""
    return [shape for each in found for shape in each.values()] or [[]]
