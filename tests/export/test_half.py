"""A small graph in half precision: which ops are, and which values would overflow."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from ser_rt.export.files import open_session
from ser_rt.export.half import to_half
from ser_rt.testing.bundles import serialised

GRAPH = """
    g (float[batch, 8] input_values) => (float[batch, 4] out) {
        first = MatMul(input_values, weights)
        bounded = Tanh(first)
        raised = Mul(bounded, level)
        lowered = Mul(raised, small)
        total = ReduceSum <keepdims = 1> (lowered)
        product = Mul(lowered, bounded)
        out = Add(product, total)
    }
"""
SCOPES = {"out": "model.head"}
FLOAT, HALF = onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16


@pytest.mark.parametrize(("level", "is_loud"), [(10.0, False), (60_000.0, True)])
def test_safe_ops_are_in_half_precision(tmp_path: Path, level: float, *, is_loud: bool) -> None:
    weights = {
        "weights": np.random.default_rng(0).standard_normal((8, 4)).astype(np.float32),
        "level": np.float32(level),
        "small": np.float32(1 / level),
    }
    model = onnx.load_from_string(serialised(GRAPH, {k: np.array(v) for k, v in weights.items()}))
    for node in model.graph.node:
        scope = SCOPES.get(node.output[0], "model.encoder.network")
        entry = node.metadata_props.add()
        entry.key, entry.value = "pkg.torch.onnx.name_scopes", str(["", scope, "op"])
    source = tmp_path / "model.onnx"
    onnx.save_model(onnx.shape_inference.infer_shapes(model), source)
    wave = np.random.default_rng(1).standard_normal((2, 8)).astype(np.float32)
    half = onnx.shape_inference.infer_shapes(to_half(source, [wave]))
    types = {value.name: value.type.tensor_type.elem_type for value in half.graph.value_info}
    assert types["bounded"] == types["product"] == HALF
    assert types["total"] == FLOAT
    assert types["raised"] == (FLOAT if is_loud else HALF)
    assert half.graph.output[0].type.tensor_type.elem_type == FLOAT
    (right,), (got,) = (
        open_session(graph.SerializeToString()).run(None, {"input_values": wave})
        for graph in (model, half)
    )
    np.testing.assert_allclose(got, right, atol=0.02)


def test_a_table_that_is_stored_in_half_stays_as_it_is(tmp_path: Path) -> None:
    """As the positions of Whisper are, which the network itself widens again."""
    graph = """
        g (float[batch, 4] input_values) => (float[batch, 4] out) {
            found = GatherND(table, place)
            wide = Cast <to = 1> (found)
            sum = Add(input_values, wide)
            out = Add(sum, wide)
        }
    """
    table = np.random.default_rng(0).standard_normal((3, 4)).astype(np.float16)
    model = onnx.load_from_string(serialised(graph, {"table": table, "place": np.array([[1]])}))
    source = tmp_path / "model.onnx"
    onnx.save_model(onnx.shape_inference.infer_shapes(model), source)
    wave = np.ones((2, 4), np.float32)
    half = to_half(source, [wave])
    onnx.checker.check_model(half, full_check=True)
    assert {tensor.name: tensor.data_type for tensor in half.graph.initializer}["table"] == HALF
    (got,) = open_session(half.SerializeToString()).run(None, {"input_values": wave})
    np.testing.assert_allclose(got, 1 + 2 * table[[1, 1]].astype(np.float32), atol=0.01)
