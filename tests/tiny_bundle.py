"""A bundle for tests: a few hundred bytes of ONNX that hear level, brightness and asymmetry.

Built with onnx alone. Its answer depends on every sample, so a test that feeds the wrong ones
fails; both axes are dynamic, as in a real bundle.
"""

from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from ser_rt.bundle import write_bundle
from ser_rt.config import EMOTIONS, SAMPLE_RATE

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

    def value(name: str, columns: int | str) -> Any:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", columns])

    graph = helper.make_graph(
        nodes,
        "tiny",
        [value("input_values", "samples")],
        [value("logits", labels), value("probabilities", labels), value("embedding", 4)],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    serialised: bytes = model.SerializeToString()
    return serialised
