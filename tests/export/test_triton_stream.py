"""Streams on Triton: the model without Triton, and a real server, give what the engine gives."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from ser_rt.bundle import Bundle
from ser_rt.classifier import FloatArray, Hop
from ser_rt.export.triton import push_triton
from ser_rt.runtime.stream import load
from tests.conftest import make_wave
from tests.support.triton_server import TritonServer, why_not

HOP = 8_000
needs_server = pytest.mark.skipif(why_not() is not None, reason=str(why_not()))


def hops_of(wave: FloatArray) -> Iterator[tuple[FloatArray, bool, bool]]:
    """Yield the hops of a stream, and whether each is the first and the last."""
    for start in range(0, len(wave), HOP):
        yield wave[None, start : start + HOP], start == 0, start + HOP >= len(wave)


def wanted_of(folder: Path, wave: FloatArray) -> list[FloatArray]:
    """Return the probabilities of each hop here."""
    model, found = load(folder), []
    assert model.streaming is not None
    caches: Any = model.streaming.fresh(1)
    for audio, _, _ in hops_of(wave):
        (result,) = model.classify_hops([Hop(audio[0], caches)])
        caches = result.caches
        found.append(result.probabilities)
    return found


class Request(SimpleNamespace):
    """A request, as the python backend gives it to a model."""

    inputs: dict[str, Any]

    def requested_output_names(self) -> list[str]:
        return ["probabilities"]


def request(audio: FloatArray, stream: int, *, start: bool = False, end: bool = False) -> Request:
    controls = {"CORRID": np.array([[stream]], np.uint64)}
    controls |= {name: np.array([[on]], np.int32) for name, on in (("START", start), ("END", end))}
    return Request(inputs={"audio": audio, **controls})


@pytest.fixture
def pushed(streaming_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The model that a push has written, with two streams at most."""
    backend = SimpleNamespace(
        Tensor=lambda name, values: (name, values),
        TritonError=str,
        InferenceResponse=lambda tensors=(), error=None: error or dict(tensors)["probabilities"][0],
        get_input_tensor_by_name=lambda request, name: SimpleNamespace(
            as_numpy=lambda: request.inputs[name]
        ),
    )
    monkeypatch.setitem(sys.modules, "triton_python_backend_utils", backend)
    push_triton(Bundle.load(streaming_bundle), tmp_path, "python")
    version = tmp_path / "tiny-streaming-stream/1"
    spec = importlib.util.spec_from_file_location("pushed_stream", version / "model.py")
    assert spec is not None
    assert spec.loader is not None
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    values = {"frame_samples": "320", "most_streams": "2"}
    parameters = {key: {"string_value": value} for key, value in values.items()}
    model = module.TritonPythonModel()
    model.initialize(
        {
            "model_repository": str(version.parent),
            "model_version": "1",
            "model_config": json.dumps({"parameters": parameters}),
        }
    )
    return model


def test_streams_side_by_side_have_the_bytes_that_each_has_here(
    pushed: Any, streaming_bundle: Path
) -> None:
    waves = [make_wave(5, seed=seed) for seed in (1, 2)]
    found: list[list[FloatArray]] = [[], []]
    for both in zip(*map(hops_of, waves), strict=True):
        requests = [
            request(audio, 7 + number, start=start, end=end)
            for number, (audio, start, end) in enumerate(both)
        ]
        for rows, row in zip(found, pushed.execute(requests), strict=True):
            rows.append(row)
    for rows, wave in zip(found, waves, strict=True):
        assert [r.tobytes() for r in rows] == [
            w.tobytes() for w in wanted_of(streaming_bundle, wave)
        ]
    assert not pushed._streams


def test_a_stream_that_starts_again_is_a_fresh_one(pushed: Any) -> None:
    wave = make_wave(0.5)[None]
    first, second, again = (
        pushed.execute([request(wave, 1, start=start)])[0] for start in (True, False, True)
    )
    assert first.tobytes() == again.tobytes() != second.tobytes()


def test_what_cannot_be_computed_is_refused_and_the_stream_goes_on(pushed: Any) -> None:
    wave = make_wave(0.5)[None]
    assert "no caches" in pushed.execute([request(wave, 1)])[0]
    pushed.execute([request(wave, 1, start=True)])
    assert "n x 320" in pushed.execute([request(wave[:, :100], 1)])[0]
    assert pushed.execute([request(wave, 1)])[0].shape == (6,)


def test_streams_that_nobody_ends_are_bounded(pushed: Any) -> None:
    wave = make_wave(0.5)[None]
    for stream in (1, 2, 3):
        pushed.execute([request(wave, stream, start=True)])
    assert list(pushed._streams) == [2, 3]
    assert "stream 1 has no caches here" in pushed.execute([request(wave, 1)])[0]


@needs_server
def test_a_real_server_streams(streaming_bundle: Path, tmp_path: Path) -> None:
    grpc = pytest.importorskip("tritonclient.grpc")
    repository, name = tmp_path / "repository", "tiny-streaming-stream"
    push_triton(Bundle.load(streaming_bundle), repository, "python")
    waves = {5: make_wave(3, seed=1), 6: make_wave(3, seed=2)}
    found: dict[int, list[FloatArray]] = {5: [], 6: []}
    with TritonServer(repository, tmp_path) as running:
        with grpc.InferenceServerClient(running.grpc) as client:
            client.load_model(name)
            for both in zip(*map(hops_of, waves.values()), strict=True):
                for stream, (audio, start, end) in zip(waves, both, strict=True):
                    given = grpc.InferInput("audio", list(audio.shape), "FP32")
                    given.set_data_from_numpy(audio)
                    response = client.infer(
                        name, [given], sequence_id=stream, sequence_start=start, sequence_end=end
                    )
                    found[stream].append(response.as_numpy("probabilities")[0])
        assert running.stop() == 0
    for stream, wave in waves.items():
        np.testing.assert_allclose(found[stream], wanted_of(streaming_bundle, wave), atol=1e-6)
