"""A bundle of a few hundred bytes, whose graph measures level, brightness and asymmetry.

Its probabilities depend on every sample, so a test that feeds the wrong ones fails; both axes are
dynamic, as in a real bundle.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ser_rt.bundle import write_bundle
from ser_rt.constants import EMOTIONS, SAMPLE_RATE
from ser_rt.manifest import MODEL_FILE, Label, Manifest

LABELS = ("Neutral", "Angry", "Joy", "Sad", "Fear", "Surprise")
"""Emotions of the tiny bundle, in the order of its probabilities."""

MANIFEST = Manifest(
    name="tiny",
    version="1.0",
    architecture="statistics",
    parameters=24,
    labels=tuple(Label(number, name, EMOTIONS[name]) for number, name in enumerate(LABELS)),
    sample_rate=SAMPLE_RATE,
    input_normalization="none",
    temperature=1.0,
    training={},
    licence={"weights": "MIT"},
    precision="fp32",
    window_s=3.0,
    hop_s=0.5,
    min_window_s=1.0,
    gates={},
    evaluation={},
    tools={},
)

_OPSET = 20
OUTPUTS = (
    "float[batch, LABELS] logits, float[batch, LABELS] probabilities, float[batch, 4] embedding"
)
CONSTANTS = """
    int64[1] zero = {0}, int64[1] one = {1}, int64[1] minus_one = {-1},
    int64[1] last = {9223372036854775807}, float floor = {1e-8}, float tenth = {0.1}
"""
STEPS = """
    later = Slice(samples, one, last, one)
    sooner = Slice(samples, zero, minus_one, one)
    step = Sub(later, sooner)
"""
ANSWER = """
    safe_power = Add(power, floor)
    log_power = Log(safe_power)
    level = Mul(log_power, tenth)
    brightness = Div(step_power, safe_power)
    embedding = Concat <axis = 1> (level, brightness, asymmetry, peak)
    logits = MatMul(embedding, weights)
    probabilities = Softmax <axis = -1> (logits)
"""


def window_graph(samples: str, constants: str = CONSTANTS) -> str:
    """Return the graph of a window; ``samples`` computes those whose steps are measured."""
    return f"""
    window (float[batch, samples] input_values) => ({OUTPUTS}) < {constants} > {{
        samples = {samples}
        {STEPS}
        square = Mul(input_values, input_values)
        power = ReduceMean <keepdims = 1> (square, one)
        square_step = Mul(step, step)
        step_power = ReduceMean <keepdims = 1> (square_step, one)
        sign = Sign(input_values)
        asymmetry = ReduceMean <keepdims = 1> (sign, one)
        magnitude = Abs(input_values)
        peak = ReduceMax <keepdims = 1> (magnitude, one)
        {ANSWER}
    }}
    """


def tiny_bundle(folder: str | Path, **changes: Any) -> Path:
    """Write a bundle into ``folder`` and return that; ``changes`` replace fields of its manifest.

    Example:
        >>> import tempfile, ser_rt
        >>> from ser_rt.testing import tiny_bundle
        >>> folder = tiny_bundle(tempfile.mkdtemp(), window_s=2.0)
        >>> ser_rt.load(folder).bundle.window_s
        2.0
    """
    manifest = replace(MANIFEST, **changes)
    files = {MODEL_FILE: tiny_model(len(manifest.labels)), "config.json": b"{}"}
    return write_bundle(folder, files, manifest)


def tiny_model(labels: int = len(LABELS)) -> bytes:
    """Return the serialised graph: four statistics of the waveform, and one linear layer."""
    return with_head(window_graph("Identity(input_values)"), labels)


def with_head(graph: str, labels: int) -> bytes:
    """Return a model of a graph with a linear layer of random weights for so many labels."""
    weights = np.random.default_rng(7).standard_normal((4, labels)).astype(np.float32) * 3
    return serialised(graph.replace("LABELS", str(labels)), {"weights": weights})


def serialised(graph: str, weights: Mapping[str, npt.NDArray[Any]]) -> bytes:
    """Return a model of a graph in ONNX's text format, with weights as initializers."""
    from onnx import helper, numpy_helper, parser

    parsed = parser.parse_graph(graph)
    parsed.initializer.extend(numpy_helper.from_array(w, name) for name, w in weights.items())
    opset = [helper.make_opsetid("", _OPSET)]
    model: bytes = helper.make_model(parsed, opset_imports=opset, ir_version=9).SerializeToString()
    return model
