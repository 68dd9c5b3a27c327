"""A network of the shape of the 317M one, exported at every precision."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from ser_rt.bundle import Bundle
from ser_rt.export.files import open_session, save_graph
from ser_rt.export.precision import PRECISIONS
from ser_rt.networks.checkpoint import load_classifier
from ser_rt.runtime.backends.onnx_classifier import OnnxClassifier
from tests.conftest import make_wave
from tests.export.conftest import Export, learning_on
from tests.support.two_part_bundle import two_part_models

NEAR = {"fp32": 1e-5, "fp16": 5e-3, "int8": 0.1}


@pytest.fixture(scope="module", params=PRECISIONS)
def bundle(request: pytest.FixtureRequest, wav2vec2: Path, export_once: Export) -> Bundle:
    return Bundle.load(export_once(wav2vec2, precision=request.param))


def test_it_agrees_with_the_network(bundle: Bundle, wav2vec2: Path) -> None:
    reference, served = load_classifier(wav2vec2), OnnxClassifier(bundle)
    for seconds in (0.5, 1.3, 3.0):
        waves = np.stack([make_wave(seconds, seed=seed) for seed in range(3)])
        difference = np.abs(served(waves) - reference(waves)).max()
        assert difference < NEAR[bundle.precision]
        assert served(waves).dtype == np.float32


def test_training_goes_on_from_it(bundle: Bundle) -> None:
    waves = np.stack([make_wave(1.3, seed=seed) for seed in range(3)])
    difference = np.abs(OnnxClassifier(bundle)(waves) - learning_on(bundle.folder)(waves)).max()
    assert difference < NEAR[bundle.precision]


def test_every_file_is_valid_and_has_float32_edges(bundle: Bundle) -> None:
    for path in sorted(bundle.folder.glob("*.onnx")):
        onnx.checker.check_model(path, full_check=True)
        graph = onnx.load(path, load_external_data=False).graph
        for edge in (*graph.input, *graph.output):
            assert edge.type.tensor_type.elem_type == onnx.TensorProto.FLOAT
            assert edge.type.tensor_type.shape.dim[0].dim_param
    names = {path.name for path in bundle.folder.glob("*onnx*")}
    assert names == {"model.onnx", "model.onnx.data", "frontend.onnx", "encoder.onnx"}


def test_the_halves_are_the_whole(bundle: Bundle) -> None:
    reuse = bundle.feature_reuse
    assert reuse is not None
    assert (reuse.receptive_field, reuse.stride, reuse.channels) == (400, 320, 16)
    frontend, encoder = open_session(reuse.frontend), open_session(reuse.encoder)
    whole, wave = open_session(bundle.model_path), make_wave(2.0)[None]
    expected = whole.run(["probabilities"], {"input_values": wave})[0]
    pieces = []
    for first in range(0, 99, 33):
        start = first * reuse.stride
        stop = start + 32 * reuse.stride + reuse.receptive_field
        pieces.append(frontend.run(["features"], {"input_values": wave[:, start:stop]})[0])
    features = np.concatenate(pieces, axis=1)
    assert features.shape == (1, 99, 16)
    found = encoder.run(["probabilities"], {"features": features})[0]
    assert np.abs(found - expected).max() < PRECISIONS[bundle.precision].limits.pair


def test_the_manifest_has_the_measures(bundle: Bundle) -> None:
    gates = bundle.gates
    assert gates["passed"]
    assert gates["failures"] == []
    assert gates["limits"] == PRECISIONS[bundle.precision].limits._asdict()
    assert gates["decided_windows"] > 10
    assert gates["max_logit_difference"] <= gates["limits"]["logit"]
    assert gates["max_pair_difference"] <= gates["limits"]["pair"]
    assert ("layer_norm_inputs" in gates) == (bundle.precision == "fp16")
    if bundle.precision == "fp16":
        assert gates["layer_norm_inputs"]["count"] == 13
        assert gates["half_precision_overflows"] == {}


def test_half_precision_stays_where_it_is_safe(wav2vec2: Path, export_once: Export) -> None:
    folder = export_once(wav2vec2, precision="fp16")
    model = onnx.shape_inference.infer_shapes(onnx.load(folder / "model.onnx"))
    types = {v.name: v.type.tensor_type.elem_type for v in model.graph.value_info}
    types |= {tensor.name: tensor.data_type for tensor in model.graph.initializer}
    half = {"MatMul": 0, "Conv": 0}
    for node in model.graph.node:
        if node.op_type in {"LayerNormalization", "Softmax", "ReduceSum", "Pow", "Sqrt"}:
            assert types.get(node.input[0]) != onnx.TensorProto.FLOAT16, node.name
        if node.op_type in half:
            half[node.op_type] += types[node.input[1]] == onnx.TensorProto.FLOAT16
    assert half["MatMul"] >= 2 * 6 + 1
    assert half["Conv"] == 8  # the two of the pooling stay in float32


def test_no_graph_shows_where_it_was_made(bundle: Bundle) -> None:
    for path in bundle.folder.iterdir():
        content = path.read_bytes()
        assert b"site-packages" not in content
        assert b"stack_trace" not in content


def test_large_weights_lie_beside_the_graph(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = onnx.load_from_string(two_part_models()[2])
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    for limit, files in ((10**6, ["model.onnx"]), (1000, ["model.onnx", "model.onnx.data"])):
        monkeypatch.setattr("ser_rt.export.files.EXTERNAL_ABOVE_BYTES", limit)
        folder = tmp_path / str(limit)
        folder.mkdir()
        path = save_graph(copy if limit == 1000 else model, folder)
        assert sorted(path.name for path in folder.iterdir()) == files
        wave = make_wave(1.0)[None]
        found = open_session(path).run(["probabilities"], {"input_values": wave})[0]
        assert found.shape == (1, 6)
