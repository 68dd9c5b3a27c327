"""Int8 graphs of a tiny network made of what the large ones are made of."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper

from ser_rt.classifier import FloatArray
from ser_rt.errors import ExportError
from ser_rt.export import quantization
from ser_rt.export.quantization import to_int8, to_int8_dynamic
from ser_rt.testing.bundles import serialised

WIDTH = 16


GRAPH = """
    g (float[batch, samples] input_values) => (
        float[batch, 3] logits, float[batch, 3] probabilities
    ) <int64[1] zero = {0}, int64[1] one = {1}> {
        square = Mul(input_values, input_values)
        power = ReduceMean <keepdims = 1> (square, one)
        level = Sqrt(power)
        even = Div(input_values, level)
        channel = Unsqueeze(even, one)
        first_conv = Conv <strides = [4]> (channel, first)
        first_gelu = Gelu(first_conv)
        weight = Mul(direction, magnitude)
        second_conv = Conv <strides = [2]> (first_gelu, weight)
        second_gelu = Gelu(second_conv)
        by_frame = Transpose <perm = [0, 2, 1]> (second_gelu)
        frames = LayerNormalization <axis = -1> (by_frame, scale)
        queries = MatMul(frames, query)
        keys = MatMul(frames, key)
        values = MatMul(frames, value)
        turned = Transpose <perm = [0, 2, 1]> (keys)
        scores = MatMul(queries, turned)
        shares = Softmax <axis = 2> (scores)
        attended = MatMul(shares, values)
        mixed = Add(frames, attended)
        pooled = ReduceMean <keepdims = 0> (mixed, one)
        logits = Gemm(pooled, head)
        probabilities = Softmax <axis = 1> (logits)
    }
"""
"""Two convolutions, layer norm, attention and head; the level of each window is normalised.

The second convolution's weight is computed from others, as PyTorch's weight norm does.
"""


@pytest.fixture(scope="module")
def network() -> onnx.ModelProto:
    rng = np.random.default_rng(0)

    def normal(*shape: int) -> FloatArray:
        return rng.standard_normal(shape, dtype=np.float32)

    weights = {
        "first": normal(WIDTH, 1, 8) * 0.3,
        "direction": normal(WIDTH, WIDTH, 4) * 0.1,
        "magnitude": 1 + normal(1, 1, 4) * 0.1,
        "scale": np.ones(WIDTH, np.float32),
        "query": normal(WIDTH, WIDTH) * 0.15,
        "key": normal(WIDTH, WIDTH) * 0.15,
        "value": normal(WIDTH, WIDTH) * 0.15,
        "head": normal(WIDTH, 3) * 0.2,
    }
    model = onnx.load_from_string(serialised(GRAPH, weights))
    for node in model.graph.node:
        node.name = node.output[0]
    return model


def noise(seed: int, batch: int = 1, samples: int = 1_600) -> FloatArray:
    generator = np.random.default_rng(seed)
    return generator.standard_normal((batch, samples), dtype=np.float32)


def run(model: onnx.ModelProto, waves: FloatArray) -> list[FloatArray]:
    session = onnxruntime.InferenceSession(model.SerializeToString())
    outputs: list[FloatArray] = session.run(None, {"input_values": waves})
    return outputs


@pytest.fixture(scope="module")
def static(network: onnx.ModelProto) -> onnx.ModelProto:
    before = network.SerializeToString()
    model: onnx.ModelProto = to_int8(network, [noise(seed) for seed in range(4)])
    assert network.SerializeToString() == before
    return model


@pytest.fixture(params=["static", "dynamic"])
def quantized(
    request: pytest.FixtureRequest, network: onnx.ModelProto, static: onnx.ModelProto
) -> onnx.ModelProto:
    model: onnx.ModelProto = static
    if request.param == "dynamic":
        model = to_int8_dynamic(network)
    return model


def test_it_says_nearly_the_same_at_any_length(
    network: onnx.ModelProto, quantized: onnx.ModelProto
) -> None:
    for batch, samples in ((1, 1_600), (3, 777), (2, 4_001)):
        waves = noise(9, batch, samples)
        for whole, small in zip(run(network, waves), run(quantized, waves), strict=True):
            assert np.abs(whole - small).max() < 0.02
            assert not np.array_equal(whole, small)


def test_the_edges_are_float_and_dynamic(quantized: onnx.ModelProto) -> None:
    onnx.checker.check_model(quantized, full_check=True)
    (given,) = quantized.graph.input
    assert [axis.dim_param for axis in given.type.tensor_type.shape.dim] == ["batch", "samples"]
    assert [value.name for value in quantized.graph.output] == ["logits", "probabilities"]
    for value in (given, *quantized.graph.output):
        assert value.type.tensor_type.elem_type == onnx.TensorProto.FLOAT


def test_products_with_weights_are_int8_per_channel(static: onnx.ModelProto) -> None:
    tensors = {t.name: numpy_helper.to_array(t) for t in static.graph.initializer}
    made_by = {name: node for node in static.graph.node for name in node.output}

    def quantized_input(node: onnx.NodeProto, index: int) -> onnx.NodeProto | None:
        found = made_by.get(node.input[index])
        return found if found is not None and found.op_type == "DequantizeLinear" else None

    seen = dict.fromkeys(("Conv", "MatMul"), 0)
    left: list[str] = []
    for node in static.graph.node:
        if node.op_type not in (*seen, "Gemm"):
            continue
        weight = quantized_input(node, 1)
        if weight is None:
            left.append(node.op_type)
            continue
        seen[node.op_type] += 1
        assert tensors[weight.input[0]].dtype == np.int8
        assert tensors[weight.input[1]].shape == (WIDTH,)
        activation = quantized_input(node, 0)
        assert activation is not None
        assert tensors[activation.input[2]].dtype == np.uint8
    assert seen == {"Conv": 1, "MatMul": 3}
    assert sorted(left) == ["Conv", "Gemm", "MatMul", "MatMul"]  # signal, head, attention


def test_layer_normalization_stays_whole_and_float(quantized: onnx.ModelProto) -> None:
    made_by = {name: node.op_type for node in quantized.graph.node for name in node.output}
    (norm,) = [node for node in quantized.graph.node if node.op_type == "LayerNormalization"]
    assert "Quantize" not in made_by[norm.input[0]]


def test_it_needs_speech(network: onnx.ModelProto) -> None:
    with pytest.raises(ExportError, match="calibrate"):
        to_int8(network, [])


def test_no_files_are_left(
    network: onnx.ModelProto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    to_int8(network, [noise(0)])
    to_int8_dynamic(network)
    assert not list(tmp_path.iterdir())


def test_shapes_that_come_from_the_input_are_no_signal() -> None:
    weights = {
        "w": np.eye(WIDTH, dtype=np.float32),
        "scale": np.ones(WIDTH, np.float32),
        "front": np.array([1, -1, WIDTH]),
    }
    graph = f"""
        g (float[batch, frames, {WIDTH}] features) => (float[batch, frames, {WIDTH}] out) {{
            shape = Shape(features)
            level = LayerNormalization(features, scale)
            rows = Reshape(level, front)
            back = Reshape(rows, shape)
            out = MatMul(back, w)
        }}
    """
    model = onnx.load_from_string(serialised(graph, weights))
    model.graph.node[-1].name = "product"
    quantized: onnx.ModelProto = to_int8(model, [noise(1, 4, WIDTH)[None]])
    (weight,) = [t for t in quantized.graph.initializer if t.dims == [WIDTH, WIDTH]]
    assert weight.data_type == onnx.TensorProto.INT8


@pytest.mark.parametrize(("in_16_bits", "most"), [(True, 64), (False, 127)])
def test_weights_leave_room_where_products_are_added_in_16_bits(
    network: onnx.ModelProto, monkeypatch: pytest.MonkeyPatch, most: int, *, in_16_bits: bool
) -> None:
    monkeypatch.setattr(quantization, "adds_in_16_bits", lambda: in_16_bits)
    for model in (to_int8(network, [noise(0)]), to_int8_dynamic(network)):
        tensors = map(numpy_helper.to_array, model.graph.initializer)
        weights = [tensor for tensor in tensors if tensor.dtype == np.int8 and tensor.ndim > 1]
        assert {int(np.abs(weight.astype(int)).max()) for weight in weights} == {most}
