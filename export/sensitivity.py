"""Which products int8 hurts most: they may stay in float32 where the gates ask for it.

Each quantized product gets a twin with its float weights, in the same graph and fed with the same
values before they are rounded: so an error is its own, and not that of the products before it.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import onnx
from onnx import TensorProto, helper

from ser_rt.export.files import open_session

if TYPE_CHECKING:
    from ser_rt.classifier import FloatArray

_LEAST_CHANGE = 0.1
"""Of an output's size: one that hardly changes is not what suffers."""

_TWIN = "twin_of_"


class _Pair(NamedTuple):
    """One product: its names for the output of its float twin, and for its own."""

    node: str
    right: str
    got: str
    frames: int
    """Axis of time in both."""


def most_hurt(
    source: Path, quantized: onnx.ModelProto, batch: FloatArray, share: float
) -> list[str]:
    """Name the products with the largest error: this share of them, and one at least.

    Args:
        source: the float32 graph.
        quantized: the graph that was made of it, with the same node names.
        batch: an input of both.
        share: 0 to 1.
    """
    losses = product_losses(source, quantized, batch)
    ranked = sorted(losses, key=losses.__getitem__, reverse=True)
    return ranked[: math.ceil(share * len(ranked))]


def product_losses(source: Path, quantized: onnx.ModelProto, batch: FloatArray) -> dict[str, float]:
    """Return the error of each quantized product, in parts of what changes in its output.

    What is the same in every frame tells little, and would hide an error that drowns the rest.
    """
    both = onnx.ModelProto()
    both.CopyFrom(quantized)
    pairs = _add_twins(onnx.load(source), both.graph)
    path = source.with_name("twins.onnx")
    onnx.save_model(both, path, save_as_external_data=True, location="twins.data")
    names = [name for pair in pairs for name in (pair.right, pair.got)]
    found = open_session(path).run(names, {both.graph.input[0].name: batch})
    return {
        pair.node: _loss(right, got, pair.frames)
        for pair, right, got in zip(pairs, found[::2], found[1::2], strict=True)
    }


def _loss(right: FloatArray, got: FloatArray, frames: int) -> float:
    change = np.square(right - right.mean(axis=frames, keepdims=True)).mean()
    least = np.square(right).mean() * _LEAST_CHANGE**2
    return float(np.square(right - got).mean() / max(change, least, 1e-20))


def _add_twins(model: onnx.ModelProto, graph: onnx.GraphProto) -> list[_Pair]:
    """Add twins of a float model's products to its int8 graph, as outputs beside them."""
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
        twin = onnx.NodeProto()
        twin.CopyFrom(floats[node.name])
        needed.update(twin.input[1:])
        fed = made_by[made_by[node.input[0]].input[0]].input[0]
        twin.input[:] = [fed, *(f"{_TWIN}{name}" for name in twin.input[1:])]
        twin.name = twin.output[0] = f"{_TWIN}{node.name}"
        graph.node.append(twin)
        got = node.output[0]
        if got in rounded:
            got = restored[rounded[got].output[0]].output[0]
        pairs.append(_Pair(node.name, twin.name, got, -2 if node.op_type == "MatMul" else -1))
    for name in sorted(needed):
        weight = graph.initializer.add()
        weight.CopyFrom(weights[name])
        weight.name = f"{_TWIN}{name}"
    known = {value.name for value in graph.output}
    for name in dict.fromkeys(n for pair in pairs for n in (pair.right, pair.got)):
        if name not in known:
            graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))
    return pairs
