"""Splits a graph in two where the convolutions end, so that windows can share features.

The halves are the whole graph's own nodes and weights, at any precision. Their edges are float32.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import onnx_ir as ir
from onnx_ir.convenience import extract

from ser_rt.errors import ExportError
from ser_rt.export.graph import FEATURES
from ser_rt.manifest import FeatureReuse
from ser_rt.networks.model import EmotionModel

FRONTEND_FILE, ENCODER_FILE = "frontend.onnx", "encoder.onnx"
_WAVEFORMS = "input_values"


class Frames(NamedTuple):
    """Position of the frames of features: each covers `receptive_field` samples, `stride` apart."""

    receptive_field: int
    stride: int
    channels: int

    def samples(self, frames: int) -> int:
        """Return the number of samples that a number of frames covers."""
        return (frames - 1) * self.stride + self.receptive_field

    def reuse(self) -> FeatureReuse:
        """Return the entry of a bundle's manifest."""
        return FeatureReuse(Path(FRONTEND_FILE), Path(ENCODER_FILE), *self)


def frames_of(model: EmotionModel) -> Frames | None:
    """Return the position of a network's frames; None if they depend on the window around them.

    They do where each window's level is normalised, where a convolution is normalised over time
    (group norm), and in a network that streams, where each window begins after silence.
    """
    encoder: Any = model.encoder
    config = getattr(getattr(encoder, "network", None), "config", None)
    if encoder.input_normalization != "none" or config is None or model.settings.streaming:
        return None
    if getattr(config, "feat_extract_norm", None) != "layer":
        return None
    field, stride = 1, 1
    for kernel, step in zip(config.conv_kernel, config.conv_stride, strict=True):
        field, stride = field + (kernel - 1) * stride, stride * step
    return Frames(field, stride, int(config.conv_dim[-1]))


def write_pair(whole: Path, frames: Frames) -> tuple[Path, Path]:
    """Write the front end and the encoder of a graph beside it; they share its weights' file.

    Raises:
        ExportError: the graph cannot be split, or the encoder needs more than the features.
    """
    front, back = ir.load(whole), ir.load(whole)
    try:
        inputs, outputs = front.graph.inputs, [_edge(front.graph)]
        halves = {
            FRONTEND_FILE: _extract(front, list(inputs), outputs),
            ENCODER_FILE: _extract(back, [_entry(back.graph, frames)], list(back.graph.outputs)),
        }
    except (ValueError, RuntimeError) as error:
        msg = f"the graph cannot be split at its features: {str(error).splitlines()[0]}"
        raise ExportError(msg) from error
    for name, half in halves.items():
        ir.save(half, whole.with_name(name))
    return whole.with_name(FRONTEND_FILE), whole.with_name(ENCODER_FILE)


def _extract(model: ir.Model, inputs: list[ir.Value], outputs: list[ir.Value]) -> ir.Model:
    model.graph.sort()
    graph = extract(model.graph, inputs, outputs)
    return ir.Model(graph, ir_version=model.ir_version)


def _edge(graph: ir.Graph) -> ir.Value:
    """Return the features as float32, with their name."""
    features = _features(graph)
    if features.dtype != ir.DataType.FLOAT16:
        return features
    return _as_float(graph, features)


def _entry(graph: ir.Graph, frames: Frames) -> ir.Value:
    """Return the encoder's input; sizes of the audio are computed from its own."""
    features = _features(graph)
    entry = features
    if features.dtype == ir.DataType.FLOAT16:
        users = [(use.node, use.idx) for use in features.uses()]
        entry = _as_float(graph, features)
        narrow = _insert(graph, entry, "Cast", [entry], to=int(ir.DataType.FLOAT16))
        narrow.dtype = ir.DataType.FLOAT16
        for node, index in users:
            node.replace_input_with(index, narrow)
    _replace_sizes(graph, entry, frames)
    return entry


def _features(graph: ir.Graph) -> ir.Value:
    for node in graph:
        for value in node.outputs:
            if value.name == FEATURES and value.shape is not None:
                value.shape = ir.Shape([value.shape[0], "frames", value.shape[2]])
                return value
    msg = f"it has no value {FEATURES!r}"
    raise ValueError(msg)


def _as_float(graph: ir.Graph, features: ir.Value) -> ir.Value:
    features.name = f"{FEATURES}_half"
    edge = _insert(graph, features, "Cast", [features], to=int(ir.DataType.FLOAT))
    edge.name, edge.dtype, edge.shape = FEATURES, ir.DataType.FLOAT, features.shape
    return edge


def _replace_sizes(graph: ir.Graph, entry: ir.Value, frames: Frames) -> None:
    """Compute the audio's size from that of the features, wherever the encoder uses it."""
    for node in list(graph):
        if node.op_type != "Shape" or not node.inputs[0] or node.inputs[0].name != _WAVEFORMS:
            continue
        start = node.attributes.get_int("start", 0)
        end = node.attributes.get_int("end", 2)
        if (start, end) == (0, 1):
            node.replace_input_with(0, entry)
            continue
        if (start, end) != (1, 2):
            msg = f"{node.name} takes sizes {start} to {end} of the audio at once"
            raise ValueError(msg)
        size = _insert(graph, entry, "Shape", [entry], start=1, end=2)
        for op, number in (("Sub", 1), ("Mul", frames.stride), ("Add", frames.receptive_field)):
            constant = ir.tensor([number], dtype=ir.DataType.INT64)
            operand = _insert(graph, size, "Constant", [], value=constant)
            size = _insert(graph, operand, op, [size, operand])
        ir.convenience.replace_all_uses_with(node.outputs[0], size)


def _insert(
    graph: ir.Graph,
    after: ir.Value,
    op: str,
    inputs: list[ir.Value],
    **attributes: int | ir.TensorProtocol,
) -> ir.Value:
    node = ir.node(op, inputs, attributes=attributes)
    if producer := after.producer():
        graph.insert_after(producer, node)
    return node.outputs[0]
