"""Conversion of a float32 graph to half precision, except where that overflows or loses digits.

onnxruntime's own converter rounds values to half precision between two ops that are kept in
float32, and writes an invalid graph where two of them share an input.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
from onnx_ir.passes.common import RemoveUnusedNodesPass

from ser_rt.export.files import Batch, float_tensors
from ser_rt.export.graph import scope_of
from ser_rt.export.ranges import HALF_MAX, largest_magnitudes

HALF_OPS = {
    *("Conv", "MatMul", "Gemm", "Gelu", "Relu", "Tanh", "Sigmoid", "Add", "Sub", "Mul"),
    *("Transpose", "Reshape", "Slice", "Concat", "Unsqueeze", "Squeeze", "Expand", "Tile"),
    *("Gather", "Split", "Pad"),
}
"""Ops that may be in half precision. Norms, softmax, sums, squares and quotients are not."""

KEPT_MODULES = (
    "model.encoder.pooling",
    "model.encoder.normalize",
    "model.encoder.features",
    "model.head",
    "model.rater",
    "rater",
)
"""Modules that stay in float32, with all that is in them: variances, spectra, the head."""

_KEPT_ALONE = {"", "model", "model.encoder"}
"""Modules whose own ops stay: level of the input, weights of layers, temperature, softmax."""

HEADROOM = 4.0
"""Factor by which other speech may exceed the largest values seen here before one overflows."""

_FLOATS = {ir.DataType.FLOAT, ir.DataType.FLOAT16}


def to_half(source: Path, batches: Sequence[Batch]) -> onnx.ModelProto:
    """Convert a float32 graph; its inputs and outputs stay float32, except for caches.

    An input ``x`` with an output ``x_next`` is a cache: half precision if the graph computes it so.

    Values that come near to overflowing on `batches` stay in float32, whatever computes them.
    CPUs hide an overflow, as they compute in float32: so it is predicted from the float32 graph.

    Args:
        source: the graph, as `to_onnx` makes it.
        batches: speech, as inputs of the graph.
    """
    tensors = float_tensors(onnx.load(source, load_external_data=False))
    magnitudes = largest_magnitudes(source, tensors, batches)
    loud = {name for name, most in magnitudes.items() if not most * HEADROOM <= HALF_MAX}
    model = ir.load(source)
    # Tables that are stored in half precision, and what reads them: casts follow.
    stored = {value for node in model.graph for value in node.inputs if _is_half(value)}
    signal = _follow_audio(model.graph)
    inputs = {f"{value.name}_next": value for value in model.graph.inputs}
    halved = [node for node in model.graph if _fits(node, signal, loud, inputs)]
    for node in halved:
        for value in node.outputs:
            value.dtype = ir.DataType.FLOAT16
            if value.is_graph_output():
                inputs[str(value.name)].dtype = ir.DataType.FLOAT16
    narrow = set(halved)
    converted: dict[tuple[ir.Value, ir.DataType], ir.Value] = {}
    for node in list(model.graph):
        wanted = ir.DataType.FLOAT16 if node in narrow else ir.DataType.FLOAT
        for i, given in enumerate(node.inputs):
            if given is None or given in stored or given.dtype not in _FLOATS - {wanted}:
                continue
            if (given, wanted) not in converted:
                converted[given, wanted] = _convert(model.graph, given, wanted)
            node.replace_input_with(i, converted[given, wanted])
    RemoveUnusedNodesPass()(model)
    ir.external_data.load_to_model(model)
    return ir.to_proto(model)


def _follow_audio(graph: ir.Graph) -> set[ir.Value]:
    """Return the values computed from audio, and not from sizes and positions alone.

    Positions are whole numbers, which half precision cannot distinguish above 2048.
    """
    found = set(graph.inputs)
    for node in graph:
        if node.op_type != "Shape" and found & set(node.inputs):
            found |= set(node.outputs)
    return found


def _fits(
    node: ir.Node, signal: set[ir.Value], loud: set[str], caches: Container[str | None]
) -> bool:
    scope = scope_of(node)
    return (
        node.op_type in HALF_OPS
        and scope not in _KEPT_ALONE
        and not scope.startswith(KEPT_MODULES)
        and all(value.dtype == ir.DataType.FLOAT for value in node.outputs)
        and all(value in signal and value.name not in loud for value in node.outputs)
        and not any(v.is_graph_output() and v.name not in caches for v in node.outputs)
        and not any(_too_large(value) for value in node.inputs)
    )


def _is_half(value: ir.Value | None) -> bool:
    return value is not None and value.dtype == ir.DataType.FLOAT16


def _too_large(weight: ir.Value | None) -> bool:
    if weight is None or weight.const_value is None or weight.dtype != ir.DataType.FLOAT:
        return False
    return not np.abs(weight.const_value.numpy()).max(initial=0.0) <= HALF_MAX


def _convert(graph: ir.Graph, value: ir.Value, kind: ir.DataType) -> ir.Value:
    """Return a value in another precision: a constant anew, anything else through a cast."""
    name = f"{value.name}_{kind.name.lower()}"
    if value.is_initializer() and value.const_value is not None:
        tensor = ir.tensor(value.const_value.numpy().astype(kind.numpy()), name=name)
        constant = ir.Value(name=name, shape=value.shape, type=ir.TensorType(kind))
        constant.const_value = tensor
        graph.register_initializer(constant)
        return constant
    cast = ir.node("Cast", [value], attributes={"to": int(kind)})
    cast.outputs[0].name = name
    cast.outputs[0].shape, cast.outputs[0].dtype = value.shape, kind
    producer = value.producer()
    if producer is None:
        graph.insert_before(graph[0], cast)
    else:
        graph.insert_after(producer, cast)
    return cast.outputs[0]


def overflowing(magnitudes: dict[str, float], half: Iterable[str]) -> dict[str, float]:
    """Values of a half-precision graph that half precision cannot hold, and how large they are."""
    return {n: magnitudes[n] for n in sorted(half) if not magnitudes.get(n, 0.0) <= HALF_MAX}
