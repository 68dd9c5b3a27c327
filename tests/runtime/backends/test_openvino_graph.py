"""The rewritten graph computes the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from ser_rt.runtime.backends.openvino_graph import rearrange

openvino = pytest.importorskip("openvino", reason="OpenVINO is not installed")

FRAMES, HEADS, SIZE = 7, 2, 4
WIDE = HEADS * SIZE
EXACTLY = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}


def attention(*, weights_zero: int = 0, dtype: str = "int8", frames: int = FRAMES) -> bytes:
    """Return a graph of query, key, value and output products, quantized as a bundle's are."""
    rng = np.random.default_rng(3)
    node = helper.make_node
    constants: dict[str, Any] = {
        "step": np.float32(0.05),
        "zero": np.uint8(128),
        "heads": np.array([0, frames, HEADS, SIZE], np.int64),
        "flat": np.array([0, frames, WIDE], np.int64),
    }

    def rounded(name: str) -> list[Any]:
        """Round a value to uint8, and back."""
        return [
            node("QuantizeLinear", [name, "step", "zero"], [f"{name}_q"]),
            node("DequantizeLinear", [f"{name}_q", "step", "zero"], [f"{name}_r"]),
        ]

    def linear(name: str, given: str) -> list[Any]:
        """Multiply with weights of its own, and add a bias."""
        constants[f"{name}_b"] = rng.standard_normal(WIDE).astype(np.float32)
        if dtype == "float32":
            constants[f"{name}_w"] = rng.standard_normal((WIDE, WIDE)).astype(np.float32)
            restored = []
        else:
            values = rng.integers(-90, 90, (WIDE, WIDE)).astype(np.int8)
            constants[f"{name}_i"] = values
            constants[f"{name}_s"] = rng.uniform(0.002, 0.01, WIDE).astype(np.float32)
            constants[f"{name}_z"] = np.full(WIDE, weights_zero, np.int8)
            parts = [f"{name}_i", f"{name}_s", f"{name}_z"]
            restored = [node("DequantizeLinear", parts, [f"{name}_w"], axis=1)]
        return [
            *restored,
            node("MatMul", [given, f"{name}_w"], [f"{name}_p"]),
            node("Add", [f"{name}_p", f"{name}_b"], [name]),
        ]

    def turned(name: str, *order: int) -> list[Any]:
        return [
            node("Reshape", [name, "heads"], [f"{name}_h"]),
            node("Transpose", [f"{name}_h"], [f"{name}_t"], perm=order),
        ]

    nodes = [
        *rounded("x"),
        *linear("query", "x_r"),
        *linear("key", "x_r"),
        *linear("value", "x_r"),
        *turned("query", 0, 2, 1, 3),
        *turned("key", 0, 2, 3, 1),
        *turned("value", 0, 2, 1, 3),
        node("MatMul", ["query_t", "key_t"], ["scores"]),
        node("Softmax", ["scores"], ["shares"], axis=-1),
        node("MatMul", ["shares", "value_t"], ["mixed"]),
        node("Transpose", ["mixed"], ["back"], perm=[0, 2, 1, 3]),
        node("Reshape", ["back", "flat"], ["joined"]),
        *rounded("joined"),
        *linear("out", "joined_r"),
        node("Gelu", ["out"], ["y"]),
    ]
    tensors = [numpy_helper.from_array(np.asarray(v), name) for name, v in constants.items()]
    values = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", frames, WIDE])
        for name in ("x", "y")
    ]
    graph = helper.make_graph(nodes, "attention", values[:1], values[1:], tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    serialised: bytes = model.SerializeToString()
    return serialised


def read(graph: bytes) -> Any:
    model = openvino.Core().read_model(graph)
    model.reshape([1, FRAMES, WIDE])
    return model


def answer(model: Any, x: Any) -> Any:
    return openvino.Core().compile_model(model, "CPU", EXACTLY)(x)[0]


def count(model: Any) -> Mapping[str, int]:
    return Counter(node.get_type_name() for node in model.get_ops())


@pytest.fixture
def x() -> Any:
    return np.random.default_rng(5).standard_normal((1, FRAMES, WIDE)).astype(np.float32)


def test_products_become_convolutions_that_say_the_same(x: Any) -> None:
    model = read(attention())
    before = answer(model, x)
    rearrange(model)
    found = count(model)
    assert (found["Convolution"], found["MatMul"]) == (4, 2)
    assert np.abs(before).max() > 0.5
    np.testing.assert_allclose(answer(model, x), before, atol=1e-5)


def test_keys_are_turned_at_their_product(x: Any) -> None:
    model = read(attention(dtype="float32"))
    before = answer(model, x)
    rearrange(model)
    assert count(model)["MatMul"] == 6
    orders = [
        node.input_value(1).get_node().get_data().tolist()
        for node in model.get_ops()
        if node.get_type_name() == "Transpose"
    ]
    assert orders == [[0, 2, 1, 3]] * 4
    np.testing.assert_allclose(answer(model, x), before, atol=1e-5)


def test_a_bias_stays_with_its_product() -> None:
    model = read(attention())
    rearrange(model)
    convolutions = [node for node in model.get_ops() if node.get_type_name() == "Convolution"]
    for node in convolutions:
        (user,) = node.output(0).get_target_inputs()
        assert user.get_node().get_type_name() == "Add"


def test_weights_whose_zero_is_not_zero_stay_as_they_are(x: Any) -> None:
    model = read(attention(weights_zero=3))
    before = answer(model, x)
    rearrange(model)
    assert count(model)["Convolution"] == 0
    np.testing.assert_allclose(answer(model, x), before, atol=1e-5)
