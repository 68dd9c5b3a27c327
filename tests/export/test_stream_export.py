"""The graph with caches of a small Whisper: at every precision what the whole network says."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

from ser_rt.bundle import Bundle
from ser_rt.config import ModelConfig
from ser_rt.errors import ConfigError
from ser_rt.export.files import DATA_FILE, read_structure
from ser_rt.export.precision import PRECISIONS
from ser_rt.export.settings import ExportSettings
from ser_rt.export.stream import set_hop
from ser_rt.export.stream_runs import StreamRun
from ser_rt.networks.model import EmotionModel
from ser_rt.networks.whisper import Whisper
from ser_rt.runtime.backends.onnx_classifier import OnnxClassifier
from ser_rt.streaming import Streaming
from tests.conftest import make_wave
from tests.export.conftest import Export, whisper_settings

NEAR = {"fp32": 1e-5, "fp16": 5e-3, "int8": 0.1}
SIZES = {"audio_tail": [240], "keys_0": [2, 50, 16], "pooled_scores": [32, 150], "frames_done": []}


def streaming_of(bundle: Bundle) -> Streaming:
    assert bundle.streaming is not None
    return bundle.streaming


@pytest.fixture(params=PRECISIONS)
def bundle(request: pytest.FixtureRequest, whisper: Path, export_once: Export) -> Bundle:
    return Bundle.load(export_once(whisper, precision=request.param))


def test_the_manifest_describes_the_graph(bundle: Bundle) -> None:
    entry = json.loads((bundle.folder / "manifest.json").read_text("utf-8"))["streaming"]
    assert (bundle.hop_s, entry["hop_s"]) == (0.5, 0.5)
    assert (entry["min_hop_s"], entry["max_hop_s"], entry["frame_samples"]) == (0.1, 1.0, 320)
    assert (entry["left_s"], entry["pooled_s"], entry["delay_s"]) == (1.0, 3.0, 0.0125)
    caches = {cache["name"]: cache for cache in entry["caches"]}
    assert list(caches)[3:9] == [f"{kind}_{i}" for i in range(3) for kind in ("keys", "values")]
    assert {name: caches[name]["shape"] for name in SIZES} == SIZES
    narrow = "float16" if bundle.precision == "fp16" else "float32"
    assert {caches[name]["dtype"] for name in list(caches)[3:9]} == {narrow}
    assert all(caches[name]["dtype"] == "float32" for name in ("audio_tail", "pooled_scores"))
    assert caches["frames_done"]["dtype"] == "int64"
    sizes = [np.zeros(cache["shape"], cache["dtype"]).nbytes for cache in entry["caches"]]
    assert entry["bytes_per_stream"] == sum(sizes)


def test_the_gates_are_in_the_manifest(bundle: Bundle) -> None:
    found, limits = bundle.gates["streaming"], PRECISIONS[bundle.precision].limits
    assert bundle.gates["passed"]
    assert found["seconds"] == 60
    assert found["decided_windows"] > 50
    assert found["max_probability_difference"] <= limits.probability
    assert found["max_cached_difference"] < 1e-4
    assert found["max_batch_difference"] < 1e-5
    assert found["max_reset_difference"] < 1e-5
    assert found["max_age_difference"] == 0
    assert ("half_precision_overflows" in found) == (bundle.precision == "fp16")


def test_a_window_is_the_end_of_a_fresh_stream(bundle: Bundle) -> None:
    waves = np.stack([make_wave(3.0, seed=seed) for seed in range(3)])
    run = StreamRun(streaming_of(bundle).graph, streaming_of(bundle))
    found = run.run(waves, [25] * 6).probabilities
    whole = OnnxClassifier(bundle, streaming=False)(waves)
    assert np.abs(found[-1] - whole).max() < NEAR[bundle.precision]
    assert np.abs(found[2] - whole).max() > NEAR["fp32"]
    for cache in streaming_of(bundle).caches:
        assert run.caches[cache.name].shape == (3, *cache.shape)
        assert run.caches[cache.name].dtype == cache.dtype


def test_both_graphs_have_the_same_weights(bundle: Bundle) -> None:
    names = {path.name for path in bundle.folder.glob("*onnx*")}
    assert names == {"model.onnx", "stream.onnx", DATA_FILE}
    sizes: list[dict[int, int]] = []
    for name in ("model.onnx", "stream.onnx"):
        entries = [
            {entry.key: entry.value for entry in tensor.external_data}
            for tensor in read_structure(bundle.folder / name).graph.initializer
            if tensor.external_data
        ]
        sizes.append({int(entry["offset"]): int(entry["length"]) for entry in entries})
    whole, stream = sizes
    shared = sum(whole[offset] for offset in whole.keys() & stream.keys())
    assert shared > 0.95 * sum(whole.values())
    assert (bundle.folder / DATA_FILE).stat().st_size < 1.1 * sum(whole.values())


def test_int8_is_int8_in_the_stream(whisper: Path, export_once: Export) -> None:
    bundle = Bundle.load(export_once(whisper, precision="int8"))
    graph = read_structure(streaming_of(bundle).graph).graph
    types = [tensor.data_type for tensor in graph.initializer if len(tensor.dims) > 1]
    assert types.count(onnx.TensorProto.INT8) >= 3 * 6
    read = {name for node in graph.node if node.op_type == "QuantizeLinear" for name in node.input}
    assert not {cache.name for cache in streaming_of(bundle).caches} & read


def test_a_bundle_may_have_windows_alone(whisper: Path, export_once: Export) -> None:
    bundle = Bundle.load(export_once(whisper, windows_only=True))
    assert bundle.streaming is None
    assert "streaming" not in bundle.gates
    assert {path.name for path in bundle.folder.glob("*onnx*")} == {"model.onnx"}


@pytest.mark.parametrize(
    ("chunk", "hop_s", "frames"), [(25, None, 25), (0, None, 25), (25, 0.1, 5), (10, 1.0, 50)]
)
def test_a_hop_is_the_chunk_or_what_is_given(chunk: int, hop_s: float | None, frames: int) -> None:
    model = EmotionModel(replace(whisper_settings(streaming=True), chunk_frames=chunk))
    assert set_hop(model, hop_s)
    assert isinstance(model.encoder, Whisper)
    assert model.encoder.context == (frames, 50, ())


@pytest.mark.parametrize("hop_s", [0.02, 0.33, 1.02, float("nan")])
def test_a_hop_that_the_network_was_not_trained_for(hop_s: float) -> None:
    with pytest.raises(ConfigError, match="--hop"):
        set_hop(EmotionModel(whisper_settings(streaming=True)), hop_s)


def test_a_hop_is_for_networks_that_stream() -> None:
    assert not set_hop(EmotionModel(ModelConfig(architecture="compact", model_name="")), None)
    with pytest.raises(ConfigError, match="--streaming"):
        set_hop(EmotionModel(whisper_settings(streaming=False)), 0.5)
    with pytest.raises(ConfigError, match="windows-only"):
        ExportSettings(hop_s=0.5, windows_only=True)
