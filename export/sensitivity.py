"""Layer sensitivity: the products with the largest int8 error, candidates to stay in float32.

Each quantized product runs beside its float32 copy, in the same graph and on the same inputs before
rounding: so an error is its own, and not that of the products before it.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import onnx
from onnx import TensorProto, helper

from ser_rt.export.files import Batch, feed, open_session

if TYPE_CHECKING:
    from ser_rt.classifier import FloatArray

_LEAST_CHANGE = 0.1
"""Least spread to divide an error by, relative to the output's size."""

_COPY = "float_"


class _Pair(NamedTuple):
    """One product: the names of its float32 copy's output and of its own."""

    node: str
    right: str
    got: str
    frames: int
    """Axis of time in both."""


def most_sensitive(
    source: Path, quantized: onnx.ModelProto, batch: Batch, share: float
) -> list[str]:
    """Return the names of the products with the largest error: a share of them, at least one.

    Args:
        source: the float32 graph.
        quantized: the int8 graph, with the same node names.
        batch: an input of both.
        share: 0 to 1.
    """
    losses = product_losses(source, quantized, batch)
    ranked = sorted(losses, key=losses.__getitem__, reverse=True)
    return ranked[: math.ceil(share * len(ranked))]


def product_losses(source: Path, quantized: onnx.ModelProto, batch: Batch) -> dict[str, float]:
    """Return the squared error of each quantized product, relative to its variance over frames.

    A constant part of the output carries no information, and would hide an error in the rest.
    """
    both = onnx.ModelProto()
    both.CopyFrom(quantized)
    pairs = _add_copies(onnx.load(source), both.graph)
    path = source.with_name("copies.onnx")
    onnx.save_model(both, path, save_as_external_data=True, location="copies.data")
    names = [name for pair in pairs for name in (pair.right, pair.got)]
    found = open_session(path).run(names, feed(both.graph, batch))
    return {
        pair.node: _loss(right, got, pair.frames)
        for pair, right, got in zip(pairs, found[::2], found[1::2], strict=True)
    }


def _loss(right: FloatArray, got: FloatArray, frames: int) -> float:
    change = np.square(right - right.mean(axis=frames, keepdims=True)).mean()
    least = np.square(right).mean() * _LEAST_CHANGE**2
    return float(np.square(right - got).mean() / max(change, least, 1e-20))


def _add_copies(model: onnx.ModelProto, graph: onnx.GraphProto) -> list[_Pair]:
    """Add copies of a float model's products to its int8 graph, and make both outputs."""
    floats = {node.name: node for node in model.graph.node}
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    made_by = {name: node for node in graph.node for name in node.output}
    rounded = {node.input[0]: node for node in graph.node if node.op_type == "QuantizeLinear"}
    restored = {node.input[0]: node for node in graph.node if node.op_type == "DequantizeLinear"}
    pairs, needed = [], set()
    for node in [node for node in graph.node if node.op_type in {"MatMul", "Conv"}]:
        sources = [made_by.get(name) for name in node.input[:2]]
        if not all(one is not None and one.op_type == "DequantizeLinear" for one in sources):
            continue
        copy = onnx.NodeProto()
        copy.CopyFrom(floats[node.name])
        needed.update(copy.input[1:])
        fed = made_by[made_by[node.input[0]].input[0]].input[0]
        copy.input[:] = [fed, *(f"{_COPY}{name}" for name in copy.input[1:])]
        copy.name = copy.output[0] = f"{_COPY}{node.name}"
        graph.node.append(copy)
        got = node.output[0]
        if got in rounded:
            got = restored[rounded[got].output[0]].output[0]
        pairs.append(_Pair(node.name, copy.name, got, -2 if node.op_type == "MatMul" else -1))
    for name in sorted(needed):
        weight = graph.initializer.add()
        weight.CopyFrom(weights[name])
        weight.name = f"{_COPY}{name}"
    known = {value.name for value in graph.output}
    for name in dict.fromkeys(n for pair in pairs for n in (pair.right, pair.got)):
        if name not in known:
            graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))
    return pairs
