"""A graph of which one product does not survive int8: it alone stays in float32."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from ser_rt.classifier import FloatArray
from ser_rt.export.quantization import to_int8
from ser_rt.export.sensitivity import most_sensitive, product_losses
from ser_rt.testing.bundles import serialised

WIDTH = 8
LOUD = 1e4
GRAPH = f"""
    g (float[batch, frames, {WIDTH}] features) => (float[batch, frames, {WIDTH}] out)
    {{
        level = Tanh(features)
        plain = MatMul(level, mixing)
        bounded = Tanh(plain)
        uneven = Mul(bounded, levels)
        sensitive = MatMul(uneven, ignoring)
        out = Tanh(sensitive)
    }}
"""


@pytest.fixture(scope="module")
def network() -> onnx.ModelProto:
    """One channel is far louder than the others, and the weights of the next product ignore it."""
    rng = np.random.default_rng(3)
    mixing, ignoring = rng.standard_normal((2, WIDTH, WIDTH)).astype(np.float32)
    levels = np.ones(WIDTH, np.float32)
    levels[0], ignoring[0] = LOUD, 0.0
    graph = serialised(GRAPH, {"mixing": mixing, "ignoring": ignoring, "levels": levels})
    model = onnx.load_from_string(graph)
    for node in model.graph.node:
        node.name = node.output[0]
    return model


@pytest.fixture(scope="module")
def speech() -> FloatArray:
    return np.random.default_rng(4).standard_normal((1, 50, WIDTH)).astype(np.float32)


def float_products(model: onnx.ModelProto) -> list[str]:
    restored = {n.output[0] for n in model.graph.node if n.op_type == "DequantizeLinear"}
    products = [node for node in model.graph.node if node.op_type == "MatMul"]
    return [node.name for node in products if not set(node.input) <= restored]


def test_the_most_sensitive_product_stays_in_float32(
    network: onnx.ModelProto, speech: FloatArray, tmp_path: Path
) -> None:
    quantized = to_int8(network, [speech])
    assert float_products(quantized) == []
    onnx.save_model(network, tmp_path / "float.onnx")
    losses = product_losses(tmp_path / "float.onnx", quantized, speech)
    assert losses["sensitive"] > 10 * losses["plain"]
    assert most_sensitive(tmp_path / "float.onnx", quantized, speech, 0.05) == ["sensitive"]
    assert float_products(to_int8(network, [speech], float_share=0.05)) == ["sensitive"]
