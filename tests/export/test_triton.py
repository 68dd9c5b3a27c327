"""Triton reads pushed models, and a real server returns the probabilities of the engine."""

from __future__ import annotations

import json
import queue
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ser_rt.bundle import Bundle
from ser_rt.errors import OutputError
from ser_rt.export.__main__ import main
from ser_rt.export.bundle import export_bundle
from ser_rt.export.settings import ExportSettings
from ser_rt.export.triton import push_triton
from ser_rt.runtime.backends.onnx_classifier import OnnxClassifier
from tests.conftest import make_wave
from tests.export.conftest import Export
from tests.support.triton_server import TritonServer, why_not

OUTPUTS = ("logits", "probabilities", "embedding")
NEAR = {"fp32": 1e-5, "fp16": 1e-3, "int8": 1e-2}
"""The server's onnxruntime may be of another version."""
needs_server = pytest.mark.skipif(why_not() is not None, reason=str(why_not()))


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_triton_reads_its_model(
    precision: str, wav2vec2: Path, export_once: Export, tmp_path: Path
) -> None:
    triton = pytest.importorskip("tritonclient.grpc.model_config_pb2")
    from google.protobuf import text_format

    bundle = Bundle.load(export_once(wav2vec2, precision=precision))
    version = push_triton(bundle, tmp_path)
    assert version == tmp_path / "mine" / "1"
    config = text_format.Parse((tmp_path / "mine/config.pbtxt").read_text(), triton.ModelConfig())
    served = OnnxClassifier(bundle)
    assert config.name == "mine"
    assert config.parameters["bundle"].string_value == bundle.name
    assert config.platform == "onnxruntime_onnx"
    assert max(config.dynamic_batching.preferred_batch_size) <= config.max_batch_size
    wave = make_wave(1.0)[None]
    outputs = {out.name: list(out.dims) for out in config.output}
    assert outputs.keys() == {"logits", "probabilities", "embedding"}
    for name, dims in outputs.items():
        assert list(served.outputs(wave, name)[0].shape[1:]) == dims
    assert all(out.data_type == triton.TYPE_FP32 for out in (*config.input, *config.output))
    assert [(i.name, list(i.dims)) for i in config.input] == [("input_values", [-1])]
    group = triton.ModelInstanceGroup
    assert config.instance_group[0].kind == (
        group.KIND_CPU if precision == "int8" else group.KIND_GPU
    )
    accelerators = config.optimization.execution_accelerators.gpu_execution_accelerator
    assert [a.name for a in accelerators] == ([] if precision == "int8" else ["tensorrt"])
    assert list(config.model_warmup[0].inputs["input_values"].dims) == [48_000]


def test_the_command_pushes_for_a_backend(
    wav2vec2: Path, export_once: Export, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[ExportSettings] = []
    with monkeypatch.context() as patch:
        patch.setattr(
            "ser_rt.export.bundle.export_bundle", lambda *arguments: given.append(arguments[2])
        )
        flags = ["--push-triton", str(tmp_path / "repository"), "--triton-backend", "python"]
        assert main([str(wav2vec2), "--out", str(tmp_path / "mine"), *flags]) == 0
    export_once(wav2vec2, push_triton=given[0].push_triton, triton_backend=given[0].triton_backend)
    model = tmp_path / "repository/mine"
    assert (model / "1/model.onnx").is_file()
    assert "class TritonPythonModel" in (model / "1/model.py").read_text()
    assert 'backend: "python"' in (model / "config.pbtxt").read_text()


def test_a_second_push_is_a_second_version(
    wav2vec2: Path, export_once: Export, tmp_path: Path
) -> None:
    import onnxruntime

    bundle = Bundle.load(export_once(wav2vec2))
    push_triton(bundle, tmp_path)
    assert push_triton(bundle, tmp_path).name == "2"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["mine"]
    assert sorted(p.name for p in (tmp_path / "mine").iterdir()) == ["1", "2", "config.pbtxt"]
    session = onnxruntime.InferenceSession(tmp_path / "mine/2/model.onnx")
    wave = make_wave(1.0)[None]
    found = session.run(["probabilities"], {"input_values": wave})[0]
    assert np.array_equal(found, OnnxClassifier(bundle)(wave))


def test_a_model_of_another_name_is_left_alone(
    wav2vec2: Path, export_once: Export, tmp_path: Path
) -> None:
    bundle = Bundle.load(export_once(wav2vec2))
    for name in ("감정", "my model", 'a"b\\'):
        mine = replace(bundle, name=name)
        push_triton(mine, tmp_path)
        assert push_triton(mine, tmp_path).name == "2"
    for name, said in (("음성", "'감정'"), ("my_model", "'my model'")):
        with pytest.raises(OutputError, match=said):
            push_triton(replace(bundle, name=name), tmp_path)
    assert all(sorted(p.name for p in m.glob("[0-9]*")) == ["1", "2"] for m in tmp_path.iterdir())


def test_a_name_that_is_taken_is_found_before_the_export(wav2vec2: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/notes.txt").write_text("mine")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ser_rt.export.bundle.read_source", pytest.fail)
        with pytest.raises(OutputError, match="Triton"):
            export_bundle(wav2vec2, tmp_path / "out/mine", ExportSettings(push_triton=tmp_path))
    assert [p.name for p in tmp_path.iterdir()] == ["mine"]


def test_a_folder_that_is_no_triton_model_is_left_alone(
    wav2vec2: Path, export_once: Export, tmp_path: Path
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/notes.txt").write_text("mine")
    with pytest.raises(OutputError, match="Triton"):
        push_triton(Bundle.load(export_once(wav2vec2)), tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="write"):
        push_triton(Bundle.load(export_once(wav2vec2)), tmp_path / "file")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "mine"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[TritonServer, Path, Any]]:
    """A server, its repository, and a client."""
    grpc = pytest.importorskip("tritonclient.grpc")
    folder = tmp_path_factory.mktemp("triton")
    repository = folder / "repository"
    repository.mkdir()
    with TritonServer(repository, folder) as running, grpc.InferenceServerClient(running.grpc) as c:
        yield running, repository, c


def waves_of(rows: int, seconds: float) -> np.ndarray:
    return make_wave(rows * seconds).reshape(rows, -1)


def inputs_of(waves: np.ndarray) -> list[Any]:
    from tritonclient.grpc import InferInput

    given = InferInput("input_values", list(waves.shape), "FP32")
    given.set_data_from_numpy(waves)
    return [given]


@needs_server
@pytest.mark.parametrize("precision", NEAR)
def test_a_real_server_agrees_with_the_engine(
    precision: str, wav2vec2: Path, export_once: Export, server: tuple[TritonServer, Path, Any]
) -> None:
    running, repository, client = server
    bundle = Bundle.load(export_once(wav2vec2, precision=precision))
    version = push_triton(bundle, repository, "python").name
    client.load_model("mine")
    assert client.is_model_ready("mine", version)
    classifier = OnnxClassifier(bundle, reuse=False)
    for waves in (waves_of(1, 3.0), waves_of(5, 1.0)):
        response = client.infer("mine", inputs_of(waves))
        for name, wanted in zip(OUTPUTS, classifier.outputs(waves, *OUTPUTS), strict=True):
            assert response.as_numpy(name) == pytest.approx(wanted, abs=NEAR[precision])
    # Any program can send requests over HTTP.
    waves = waves_of(1, 1.0)
    given = {"name": "input_values", "shape": waves.shape, "datatype": "FP32"}
    body = json.dumps({"inputs": [given | {"data": waves.ravel().tolist()}]}).encode()
    url = f"http://{running.http}/v2/models/mine/infer"
    with urllib.request.urlopen(url, body) as response:
        found = {out["name"]: out["data"] for out in json.load(response)["outputs"]}
    assert found["probabilities"] == pytest.approx(classifier(waves)[0], abs=NEAR[precision])


@needs_server
def test_requests_at_the_same_time_are_one_batch(
    wav2vec2: Path, export_once: Export, server: tuple[TritonServer, Path, Any]
) -> None:
    _, repository, client = server
    bundle = Bundle.load(export_once(wav2vec2))
    push_triton(bundle, repository, "python")
    client.load_model("mine")
    before = client.get_inference_statistics("mine").model_stats[0]
    responses: queue.Queue[Any] = queue.Queue()
    # A batch ends where a request of another length comes.
    waves = [
        waves_of(1, 1.0 + number // 16) * np.float32(0.2 + number / 40) for number in range(32)
    ]
    for number, wave in enumerate(waves):
        client.async_infer(
            "mine",
            inputs_of(wave),
            lambda result, error: responses.put((result, error)),
            request_id=str(number),
        )
    classifier = OnnxClassifier(bundle)
    for _ in waves:
        response, error = responses.get(timeout=60)
        assert error is None
        wanted = classifier(waves[int(response.get_response().id)])
        assert response.as_numpy("probabilities") == pytest.approx(wanted, abs=1e-5)
    after = client.get_inference_statistics("mine").model_stats[0]
    assert after.inference_count - before.inference_count == len(waves)
    assert after.execution_count - before.execution_count < len(waves)


@needs_server
def test_a_bad_request_is_refused_and_the_next_one_is_run(
    wav2vec2: Path, export_once: Export, server: tuple[TritonServer, Path, Any]
) -> None:
    from tritonclient.utils import InferenceServerException

    _, repository, client = server
    push_triton(Bundle.load(export_once(wav2vec2)), repository, "python")
    client.load_model("mine")
    for waves, words in (
        (waves_of(1, 3 / 16_000), "Invalid input shape"),
        (waves_of(33, 1.0), "max_batch_size|batch-size"),
    ):
        with pytest.raises(InferenceServerException, match=words):
            client.infer("mine", inputs_of(waves))
    assert client.infer("mine", inputs_of(waves_of(1, 1.0))).as_numpy("logits").shape == (1, 3)


@needs_server
def test_it_unloads_and_ends_in_peace(wav2vec2: Path, export_once: Export, tmp_path: Path) -> None:
    grpc = pytest.importorskip("tritonclient.grpc")
    repository = tmp_path / "repository"
    push_triton(Bundle.load(export_once(wav2vec2)), repository, "python")
    with TritonServer(repository, tmp_path) as running:
        with grpc.InferenceServerClient(running.grpc) as client:
            client.load_model("mine")
            client.unload_model("mine")
            assert not client.is_model_ready("mine")
            assert client.is_server_live()
        assert running.stop() == 0
