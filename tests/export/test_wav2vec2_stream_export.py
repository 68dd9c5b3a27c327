"""The graph with caches of a small WavLM, which has all that its relatives have, and of these."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

import ser_rt
from ser_rt.bundle import Bundle
from ser_rt.commands.check import main
from ser_rt.export.files import read_structure
from ser_rt.export.precision import PRECISIONS
from ser_rt.networks.checkpoint import save_checkpoint
from tests.conftest import make_wave
from tests.export.conftest import TRAINING, Export, decided, large_shape

SETTINGS = replace(
    large_shape(
        "wavlm",
        num_hidden_layers=1,
        max_bucket_distance=60,
        num_buckets=32,
        initializer_range=0.2,
    ),
    streaming=True,
    chunk_frames=25,
    left_frames=50,
    future_frames=2,
    input_normalization="running",
)
FRONT = {
    "level_power": [1],
    "level_weight": [1],
    "audio_tail": [80],
    "projected_frames": [32, 8 + 2],
}


@pytest.fixture(scope="module")
def wavlm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wavlm")
    save_checkpoint(decided(SETTINGS), folder, temperature=1.7, training=TRAINING)
    return folder


@pytest.mark.parametrize("precision", PRECISIONS)
def test_it_passes_its_gates_and_ser_check(
    wavlm: Path, export_once: Export, capsys: pytest.CaptureFixture[str], precision: str
) -> None:
    bundle = Bundle.load(export_once(wavlm, precision=precision))
    found, limits = bundle.gates["streaming"], PRECISIONS[precision].limits
    assert bundle.gates["passed"]
    assert found["seconds"] == 60
    assert found["max_probability_difference"] <= limits.probability
    assert found["max_cached_difference"] < 1e-4
    # In int8 the last digit may round to another step.
    same = 1e-2 if precision == "int8" else 1e-4
    assert max(found["max_batch_difference"], found["max_reset_difference"]) < same
    assert found["max_age_difference"] == 0
    assert main([str(bundle.folder), "--provider", "cpu", "--json", "--windows", "4"]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert [row["form"] for row in rows] == ["whole", "hops"]


@pytest.mark.slow
@pytest.mark.parametrize("family", ["wav2vec2", "hubert"])
def test_its_relatives_pass_their_gates(family: str, tmp_path: Path, export_once: Export) -> None:
    shape = large_shape(family, num_hidden_layers=1, initializer_range=0.2)
    settings = replace(SETTINGS, encoder_config=shape.encoder_config)
    save_checkpoint(decided(settings), tmp_path, temperature=1.7, training=TRAINING)
    for precision in PRECISIONS:
        bundle = Bundle.load(export_once(tmp_path, precision=precision))
        assert bundle.gates["passed"]
        assert bundle.gates["streaming"]["max_cached_difference"] < 1e-4


def test_the_manifest_tells_delay_and_caches(wavlm: Path, export_once: Export) -> None:
    bundle = Bundle.load(export_once(wavlm, precision="fp16"))
    streaming = bundle.streaming
    assert streaming is not None
    assert bundle.input_normalization == "running"
    assert bundle.feature_reuse is None
    assert streaming.delay_s == pytest.approx(0.005 + 2 * 0.02)
    assert (streaming.left_s, streaming.pooled_s, streaming.frame_samples) == (1.0, 3.0, 320)
    caches = {cache.name: cache for cache in streaming.caches}
    assert {name: list(caches[name].shape) for name in FRONT} == FRONT
    assert list(caches)[4:7] == ["keys_0", "values_0", "pooled_frames"]
    assert caches["keys_0"].dtype == "float16"
    assert caches["level_power"].dtype == caches["pooled_scores"].dtype == "float32"


def test_int8_is_int8_and_unused_taps_are_left_out(wavlm: Path, export_once: Export) -> None:
    bundle = Bundle.load(export_once(wavlm, precision="int8"))
    assert bundle.streaming is not None
    for path in (bundle.streaming.graph, bundle.model_path):
        tensors = read_structure(path).graph.initializer
        types = [tensor.data_type for tensor in tensors if len(tensor.dims) > 1]
        assert types.count(onnx.TensorProto.INT8) >= 6
        # Groups of 16 channels, as no other convolution has; of 16 taps 8 are past, and 5 ahead.
        taps = {tensor.dims[2] for tensor in tensors if list(tensor.dims[:2]) == [32, 16]}
        assert taps == {8 + 1 + 2}


def test_any_chunking_of_a_stream_gives_the_same_events(wavlm: Path, export_once: Export) -> None:
    model, wave = ser_rt.load(export_once(wavlm)), make_wave(7.3)

    def events(size: int, hop_s: float) -> list[tuple[float, ...]]:
        chunks = (wave[start : start + size] for start in range(0, wave.size, size))
        found = ser_rt.stream(chunks, sample_rate=16_000, model=model, vad=False, hop_s=hop_s)
        return [(event.start, event.end, *event.probabilities.values()) for event in found]

    for hop_s in (0.5, 0.24):
        whole = events(wave.size, hop_s)
        assert events(1_000, hop_s) == whole
        assert len(whole) > 10
        assert np.ptp(np.array(whole)[:, 2:], axis=0).max() > 1e-3
