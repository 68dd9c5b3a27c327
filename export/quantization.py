"""Int8 graphs: weights per channel in int8, activations in uint8, everything else in float32.

Weights have 7 bits where the processor would add two products in 16: they would not fit.

Only products with weights (MatMul, Conv) are quantized. LayerNormalization, softmax, pooling, the
head and the edges of the graph stay in float32, and so does what reads the signal itself: steps of
1/256 of the loudest sample are louder than soft speech.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnx_ir
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantType
from onnxruntime.quantization.calibrate import TensorsData, create_calibrator
from onnxruntime.quantization.onnx_quantizer import ONNXQuantizer
from onnxruntime.quantization.qdq_quantizer import QDQQuantizer
from onnxruntime.quantization.quant_utils import QuantizationMode, load_model_with_shape_infer
from onnxscript import optimizer

from ser_rt.errors import ExportError
from ser_rt.export.files import Batch, feed, open_session, read_structure
from ser_rt.export.sensitivity import most_sensitive

QUANTIZED_OPS = ("MatMul", "Conv")

LEVELLING = (
    *("LayerNormalization", "InstanceNormalization", "GroupNormalization", "BatchNormalization"),
    *("Gelu", "Erf", "Relu", "LeakyRelu", "Sigmoid", "Tanh", "HardSwish", "Softmax", "Shape"),
)
"""Ops whose output is no longer the signal: its range fits into 256 steps."""


def to_int8(
    model: onnx.ModelProto, calibration: Sequence[Batch], *, float_share: float = 0.0
) -> onnx.ModelProto:
    """Quantize weights and the activations that meet them, statically: u8s8, QDQ, per channel.

    Args:
        model: float32 graph; it is not changed.
        calibration: inputs of the graph, each a batch, from which the ranges of activations are
            read: some seconds of real speech, or the features of such.
        float_share: share of the products that stays in float32, the most sensitive ones.

    Raises:
        ExportError: there is nothing to calibrate with.
    """
    if not calibration:
        msg = "int8 needs at least one window of speech to calibrate with"
        raise ExportError(msg)
    with _prepared(model) as path:
        ranges = _ranges(path, calibration)
        quantized = _quantize(path, ranges)
        if float_share:
            sensitive = most_sensitive(path, quantized, calibration[0], float_share)
            quantized = _quantize(path, ranges, sensitive)
    return quantized


def _quantize(path: Path, ranges: TensorsData, kept: Sequence[str] = ()) -> onnx.ModelProto:
    float_model = load_model_with_shape_infer(path)
    left = _products_of_activations(float_model) + _before_levelling(float_model)
    quantizer = QDQQuantizer(
        float_model,
        per_channel=True,
        reduce_range=adds_in_16_bits(),
        weight_qType=QuantType.QInt8,
        activation_qType=QuantType.QUInt8,
        tensors_range=ranges,
        nodes_to_quantize=[],
        nodes_to_exclude=[*left, *kept],
        op_types_to_quantize=list(QUANTIZED_OPS),
        extra_options={"OpTypesToExcludeOutputQuantization": ["MatMul"]},
    )
    return _done(quantizer)


def to_int8_dynamic(model: onnx.ModelProto) -> onnx.ModelProto:
    """Quantize weights of MatMul; activations are quantized by the range of each window.

    It needs no data, and is slower than `to_int8`.
    """
    with _prepared(model) as path:
        float_model = load_model_with_shape_infer(path)
    head = [f"{node.name}_MatMul" for node in float_model.graph.node if node.op_type == "Gemm"]
    quantizer = ONNXQuantizer(
        float_model,
        per_channel=True,
        reduce_range=adds_in_16_bits(),
        mode=QuantizationMode.IntegerOps,
        static=False,
        weight_qType=QuantType.QInt8,
        activation_qType=QuantType.QUInt8,
        tensors_range=None,
        nodes_to_quantize=[],
        nodes_to_exclude=[*head, *_before_levelling(float_model)],
        op_types_to_quantize=["MatMul"],
        extra_options={"MatMulConstBOnly": True, "DefaultTensorType": TensorProto.FLOAT},
    )
    return _done(quantizer)


def _done(quantizer: QDQQuantizer | ONNXQuantizer) -> onnx.ModelProto:
    quantizer.quantize_model()
    quantizer.model.topological_sort()
    quantized: onnx.ModelProto = quantizer.model.model
    return quantized


@cache
def adds_in_16_bits() -> bool:
    """Return whether products of uint8 and int8 can overflow here, as on x86 without VNNI."""
    most, weights = np.full((1, 4), 255, np.uint8), np.full((4, 1), 127, np.int8)
    product = helper.make_node("MatMulInteger", ["activations", "weights"], ["sum"])
    given = helper.make_tensor_value_info("activations", TensorProto.UINT8, most.shape)
    found = helper.make_tensor_value_info("sum", TensorProto.INT32, [1, 1])
    constants = [numpy_helper.from_array(weights, "weights")]
    graph = helper.make_graph([product], "sum", [given], [found], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    (total,) = open_session(model.SerializeToString()).run(None, {"activations": most})
    return int(total.item()) != 255 * 127 * 4


class _Reader(CalibrationDataReader):
    """Yields one batch to a calibrator."""

    def __init__(self, batch: dict[str, npt.NDArray[Any]]) -> None:
        self._batches = iter([batch])

    def get_next(self) -> dict[str, npt.NDArray[Any]] | None:
        return next(self._batches, None)


def _ranges(path: Path, calibration: Sequence[Batch]) -> TensorsData:
    """Return the range of each activation over all batches, which are read one by one."""
    calibrator = create_calibrator(
        path,
        list(QUANTIZED_OPS),
        augmented_model_path=str(path.with_name("augmented.onnx")),
        use_external_data_format=True,
    )
    graph = read_structure(path).graph
    for batch in calibration:
        calibrator.collect_data(_Reader(feed(graph, batch)))
    return calibrator.compute_data()


def _products_of_activations(model: onnx.ModelProto) -> list[str]:
    """Return the names of MatMul nodes without weights: attention's."""
    weights = {tensor.name for tensor in model.graph.initializer}
    return [
        node.name
        for node in model.graph.node
        if node.op_type == "MatMul" and weights.isdisjoint(node.input)
    ]


def _before_levelling(model: onnx.ModelProto) -> list[str]:
    """Return the names of the products before any normalisation or activation of the signal."""
    raw, names = {model.graph.input[0].name}, []
    for node in model.graph.node:
        if node.op_type in LEVELLING or raw.isdisjoint(node.input):
            continue
        raw.update(node.output)
        if node.op_type in QUANTIZED_OPS:
            names.append(node.name)
    return names


@contextmanager
def _prepared(model: onnx.ModelProto) -> Iterator[Path]:
    """Save a model to a temporary folder, with constant expressions folded.

    Its weights are external, so no size is too large.
    """
    with tempfile.TemporaryDirectory(prefix="ser-int8-") as folder:
        path = Path(folder) / "float.onnx"
        graph = onnx_ir.serde.deserialize_model(model)
        optimizer.fold_constants(graph, input_size_limit=1 << 40, output_size_limit=1 << 40)
        optimizer.remove_unused_nodes(graph)
        for weight in graph.graph.initializers.values():
            weight.shape = weight.type = None  # a quantizer may transpose it
        onnx_ir.save(graph, path, external_data="float.data")
        del graph
        yield path
