"""A bundle for tests: a few hundred bytes of ONNX that hear level, brightness and asymmetry.

Built with onnx alone. Its answer depends on every sample, so a test that feeds the wrong ones
fails; both axes are dynamic, as in a real bundle.
"""

from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from ser_rt.bundle import write_bundle
from ser_rt.constants import EMOTIONS, SAMPLE_RATE

LABELS = ("Neutral", "Angry", "Joy", "Sad", "Fear", "Surprise")

MANIFEST: dict[str, Any] = {
    "name": "tiny",
    "version": "1.0",
    "architecture": "statistics",
    "parameters": 24,
    "labels": [{"id": i, "en": en, "ko": EMOTIONS[en]} for i, en in enumerate(LABELS)],
    "sample_rate": SAMPLE_RATE,
    "precision": "fp32",
    "input_normalization": "none",
    "window_s": 3.0,
    "hop_s": 0.5,
    "min_window_s": 1.0,
    "temperature": 1.0,
    "gates": {},
    "evaluation": {},
    "training": {},
    "licence": {"weights": "MIT"},
    "tools": {},
}


def build_tiny_bundle(folder: Path, **changes: Any) -> Path:
    """Write the bundle into ``folder``; ``changes`` replace keys of the manifest."""
    manifest = MANIFEST | changes
    model = tiny_model(len(manifest["labels"]))
    return write_bundle(folder, {"model.onnx": model, "config.json": b"{}"}, manifest)


def tiny_model(labels: int = len(LABELS)) -> bytes:
    """Return the serialised graph: four statistics of the waveform, and one linear layer."""
    weights = np.random.default_rng(7).standard_normal((4, labels)).astype(np.float32) * 3
    constants: dict[str, np.ndarray[Any, Any]] = {
        "one": np.array([1], np.int64),
        "last": np.array([np.iinfo(np.int64).max], np.int64),
        "zero": np.array([0], np.int64),
        "minus_one": np.array([-1], np.int64),
        "floor": np.array(1e-8, np.float32),
        "tenth": np.array(0.1, np.float32),
        "weights": weights,
    }
    node = helper.make_node
    nodes = [
        node("Mul", ["input_values", "input_values"], ["square"]),
        node("ReduceMean", ["square", "one"], ["power"], keepdims=1),
        node("Add", ["power", "floor"], ["safe_power"]),
        node("Log", ["safe_power"], ["log_power"]),
        node("Mul", ["log_power", "tenth"], ["level"]),
        node("Slice", ["input_values", "one", "last", "one"], ["later"]),
        node("Slice", ["input_values", "zero", "minus_one", "one"], ["sooner"]),
        node("Sub", ["later", "sooner"], ["step"]),
        node("Mul", ["step", "step"], ["square_step"]),
        node("ReduceMean", ["square_step", "one"], ["step_power"], keepdims=1),
        node("Div", ["step_power", "safe_power"], ["brightness"]),
        node("Sign", ["input_values"], ["sign"]),
        node("ReduceMean", ["sign", "one"], ["asymmetry"], keepdims=1),
        node("Abs", ["input_values"], ["magnitude"]),
        node("ReduceMax", ["magnitude", "one"], ["peak"], keepdims=1),
        node("Concat", ["level", "brightness", "asymmetry", "peak"], ["embedding"], axis=1),
        node("MatMul", ["embedding", "weights"], ["logits"]),
        node("Softmax", ["logits"], ["probabilities"], axis=-1),
    ]

    return _model(nodes, constants, [_WAVES], _answers(labels, 4))


RECEPTIVE_FIELD, STRIDE, CHANNELS = 400, 320, 8
TWO_PARTS = {
    "frontend": "frontend.onnx",
    "encoder": "encoder.onnx",
    "receptive_field": RECEPTIVE_FIELD,
    "stride": STRIDE,
    "channels": CHANNELS,
}


def build_two_part_bundle(folder: Path, **changes: Any) -> Path:
    """Write a bundle with a whole graph, and the same in two parts: frames, and what is of them."""
    frontend, encoder, whole = two_part_models()
    files = {"model.onnx": whole, "frontend.onnx": frontend, "encoder.onnx": encoder}
    return write_bundle(folder, files, MANIFEST | {"feature_reuse": TWO_PARTS} | changes)


def two_part_models(labels: int = len(LABELS)) -> tuple[bytes, bytes, bytes]:
    """Return frontend (a strided convolution), encoder (mean and peak of frames) and both as one.

    The encoder weighs a frame by its neighbours, so a frame that is missing or double shows.
    """
    rng = np.random.default_rng(11)

    def normal(*shape: int) -> np.ndarray[Any, Any]:
        return rng.standard_normal(shape).astype(np.float32)

    axes = {"one": np.array([1], np.int64)}
    kernels = {"kernels": normal(CHANNELS, 1, RECEPTIVE_FIELD) * 0.3}
    weights = {
        "mixing": normal(CHANNELS, CHANNELS, 3) * 0.5,
        "weights": normal(2 * CHANNELS, labels),
    }
    node = helper.make_node
    hear = [
        node("Unsqueeze", ["input_values", "one"], ["channel"]),
        node("Conv", ["channel", "kernels"], ["filtered"], strides=[STRIDE]),
        node("Tanh", ["filtered"], ["bounded"]),
        node("Transpose", ["bounded"], ["features"], perm=[0, 2, 1]),
    ]
    understand = [
        node("Transpose", ["features"], ["by_channel"], perm=[0, 2, 1]),
        node("Conv", ["by_channel", "mixing"], ["mixed"], pads=[1, 1]),
        node("Softplus", ["mixed"], ["positive"]),
        node("GlobalAveragePool", ["positive"], ["mean"]),
        node("GlobalMaxPool", ["positive"], ["peak"]),
        node("Concat", ["mean", "peak"], ["stacked"], axis=1),
        node("Flatten", ["stacked"], ["embedding"]),
        node("MatMul", ["embedding", "weights"], ["logits"]),
        node("Softmax", ["logits"], ["probabilities"], axis=-1),
    ]
    answers = _answers(labels, 2 * CHANNELS)
    features = helper.make_tensor_value_info(
        "features", TensorProto.FLOAT, ["batch", "frames", CHANNELS]
    )
    return (
        _model(hear, axes | kernels, [_WAVES], [features]),
        _model(understand, weights, [features], answers),
        _model([*hear, *understand], axes | kernels | weights, [_WAVES], answers),
    )


def _value(name: str, columns: int | str) -> Any:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", columns])


_WAVES = _value("input_values", "samples")


def _answers(labels: int, embedding: int) -> list[Any]:
    return [
        _value("logits", labels),
        _value("probabilities", labels),
        _value("embedding", embedding),
    ]


def _model(
    nodes: list[Any],
    constants: dict[str, np.ndarray[Any, Any]],
    inputs: list[Any],
    outputs: list[Any],
) -> bytes:
    initializers = [numpy_helper.from_array(array, name) for name, array in constants.items()]
    graph = helper.make_graph(nodes, "tiny", inputs, outputs, initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    serialised: bytes = model.SerializeToString()
    return serialised
