"""Int8 graphs: weights per channel in int8, activations in uint8, everything else in float32.

Only products with weights (MatMul, Conv) are quantized. LayerNormalization, softmax, pooling, the
head and the edges of the graph stay in float32.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnx
import onnx_ir
from onnxruntime.quantization import CalibrationDataReader, QuantType
from onnxruntime.quantization.calibrate import TensorsData, create_calibrator
from onnxruntime.quantization.onnx_quantizer import ONNXQuantizer
from onnxruntime.quantization.qdq_quantizer import QDQQuantizer
from onnxruntime.quantization.quant_utils import QuantizationMode, load_model_with_shape_infer
from onnxscript import optimizer

from ser_rt.classifier import FloatArray
from ser_rt.errors import ExportError

QUANTIZED_OPS = ("MatMul", "Conv")


def to_int8(model: onnx.ModelProto, calibration: Sequence[FloatArray]) -> onnx.ModelProto:
    """Quantize weights and the activations that meet them, statically: u8s8, QDQ, per channel.

    Args:
        model: float32 graph with one input; it is not changed.
        calibration: inputs of the graph, each a batch, from which the ranges of activations are
            read: some seconds of real speech, or the features of such.

    Raises:
        ExportError: there is nothing to calibrate with.
    """
    if not calibration:
        msg = "int8 needs at least one window of speech to calibrate with"
        raise ExportError(msg)
    with _saved(_folded(model)) as path:
        ranges = _ranges(path, calibration)
        float_model = load_model_with_shape_infer(path)
    quantizer = QDQQuantizer(
        float_model,
        per_channel=True,
        reduce_range=False,
        weight_qType=QuantType.QInt8,
        activation_qType=QuantType.QUInt8,
        tensors_range=ranges,
        nodes_to_quantize=[],
        nodes_to_exclude=_products_of_activations(float_model),
        op_types_to_quantize=list(QUANTIZED_OPS),
        extra_options={"OpTypesToExcludeOutputQuantization": ["MatMul"]},
    )
    return _done(quantizer)


def to_int8_dynamic(model: onnx.ModelProto) -> onnx.ModelProto:
    """Quantize weights of MatMul; activations are quantized by what they are, window by window.

    It needs no data, and is slower than `to_int8`.
    """
    with _saved(_folded(model)) as path:
        float_model = load_model_with_shape_infer(path)
    head = [f"{node.name}_MatMul" for node in float_model.graph.node if node.op_type == "Gemm"]
    quantizer = ONNXQuantizer(
        float_model,
        per_channel=True,
        reduce_range=False,
        mode=QuantizationMode.IntegerOps,
        static=False,
        weight_qType=QuantType.QInt8,
        activation_qType=QuantType.QUInt8,
        tensors_range=None,
        nodes_to_quantize=[],
        nodes_to_exclude=head,
        op_types_to_quantize=["MatMul"],
        extra_options={"MatMulConstBOnly": True, "DefaultTensorType": onnx.TensorProto.FLOAT},
    )
    return _done(quantizer)


def _done(quantizer: QDQQuantizer | ONNXQuantizer) -> onnx.ModelProto:
    quantizer.quantize_model()
    quantizer.model.topological_sort()
    quantized: onnx.ModelProto = quantizer.model.model
    return quantized


class _Reader(CalibrationDataReader):
    """Gives one batch to a calibrator."""

    def __init__(self, name: str, batch: FloatArray) -> None:
        self._batches = iter([{name: batch.astype(np.float32, copy=False)}])

    def get_next(self) -> dict[str, FloatArray] | None:
        return next(self._batches, None)


def _ranges(path: Path, calibration: Sequence[FloatArray]) -> TensorsData:
    """Smallest and largest value of each activation over all batches, read one by one."""
    calibrator = create_calibrator(
        path,
        list(QUANTIZED_OPS),
        augmented_model_path=str(path.with_name("augmented.onnx")),
        use_external_data_format=True,
    )
    name = calibrator.infer_session.get_inputs()[0].name
    for batch in calibration:
        calibrator.collect_data(_Reader(name, batch))
    return calibrator.compute_data()


def _folded(model: onnx.ModelProto) -> onnx.ModelProto:
    """Compute what depends on weights only, as a convolution's normalised weights do."""
    graph = onnx_ir.serde.deserialize_model(model)
    optimizer.fold_constants(graph, input_size_limit=1 << 40, output_size_limit=1 << 40)
    optimizer.remove_unused_nodes(graph)
    folded = onnx_ir.serde.serialize_model(graph)
    weights = {tensor.name for tensor in folded.graph.initializer}
    shapes = [value for value in folded.graph.value_info if value.name not in weights]
    del folded.graph.value_info[:]
    folded.graph.value_info.extend(shapes)  # a quantizer may transpose weights
    return folded


def _products_of_activations(model: onnx.ModelProto) -> list[str]:
    """Names of MatMul nodes without weights: attention's."""
    weights = {tensor.name for tensor in model.graph.initializer}
    return [
        node.name
        for node in model.graph.node
        if node.op_type == "MatMul" and weights.isdisjoint(node.input)
    ]


@contextmanager
def _saved(model: onnx.ModelProto) -> Iterator[Path]:
    """Save a model for a while, weights beside it: no size is too large."""
    with tempfile.TemporaryDirectory(prefix="ser-int8-") as folder:
        path = Path(folder) / "float.onnx"
        onnx.save_model(model, path, save_as_external_data=True, location="float.data")
        yield path
