"""A small graph split at its features: the two parts together are the whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from ser_rt.errors import ExportError
from ser_rt.export.files import check, open_session
from ser_rt.export.precision import PRECISIONS
from ser_rt.export.speech import Probe, ReferenceSpeech
from ser_rt.export.split import ENCODER_FILE, FRONTEND_FILE, Frames, write_pair
from ser_rt.export.verify import GateResult
from ser_rt.export.verify_pair import verify_pair
from ser_rt.testing.bundles import serialised
from tests.conftest import make_wave
from tests.support.two_part_bundle import CHANNELS, RECEPTIVE_FIELD, STRIDE, two_part_models

FRAMES = Frames(RECEPTIVE_FIELD, STRIDE, CHANNELS)
WAVE = make_wave(1.3)[None]

SMALL = Frames(receptive_field=4, stride=2, channels=1)
SIZES = """
    g (float[batch, samples] input_values) => (float[batch] out)
    <int64[1] one = {1}, int64[2] axes = {1, 2}> {
        row = Unsqueeze(input_values, one)
        pooled = AveragePool <kernel_shape = [4], strides = [2]> (row)
        features = Transpose <perm = [0, 2, 1]> (pooled)
        mean = ReduceMean <keepdims = 0> (features, axes)
        rows = Shape <start = 0, end = 1> (input_values)
        samples = Shape <start = 1, end = 2> (input_values)
        size = Cast <to = 1> (samples)
        scaled = Mul(mean, size)
        out = Expand(scaled, rows)
    }
"""
HALF = """
    g (float[batch, samples] input_values) => (float[batch, frames, 1] out)
    <int64[1] one = {1}> {
        row = Unsqueeze(input_values, one)
        pooled = AveragePool <kernel_shape = [4], strides = [2]> (row)
        by_frame = Transpose <perm = [0, 2, 1]> (pooled)
        features = Cast <to = 10> (by_frame)
        doubled = Add(features, features)
        out = Cast <to = 1> (doubled)
    }
"""


def save(folder: Path, model: bytes) -> Path:
    path = folder / "model.onnx"
    onnx.save_model(onnx.shape_inference.infer_shapes(onnx.load_from_string(model)), path)
    return path


def run(graph: Path, name: str, given: Any) -> list[Any]:
    outputs: list[Any] = open_session(graph).run(None, {name: given})
    return outputs


def test_the_parts_are_the_whole(tmp_path: Path) -> None:
    whole = save(tmp_path, two_part_models()[2])
    frontend, encoder = write_pair(whole, FRAMES)
    assert (frontend.name, encoder.name) == (FRONTEND_FILE, ENCODER_FILE)
    for part in (frontend, encoder):
        check(part)
    (features,) = run(frontend, "input_values", WAVE)
    count = (WAVE.shape[1] - RECEPTIVE_FIELD) // STRIDE + 1
    assert features.shape == (1, count, CHANNELS)
    assert FRAMES.samples(count) <= WAVE.shape[1] < FRAMES.samples(count + 1)
    expected = run(whole, "input_values", WAVE)
    for got, right in zip(run(encoder, "features", features), expected, strict=True):
        np.testing.assert_array_equal(got, right)


@pytest.mark.parametrize("graph", [SIZES, HALF])
def test_the_encoder_needs_nothing_but_float32_features(tmp_path: Path, graph: str) -> None:
    whole = save(tmp_path, serialised(graph, {}))
    frontend, encoder = write_pair(whole, SMALL)
    wave = WAVE[:, :1600]
    (features,) = run(frontend, "input_values", wave)
    assert features.dtype == np.float32
    (got,), (right,) = run(encoder, "features", features), run(whole, "input_values", wave)
    np.testing.assert_allclose(got, right, rtol=2e-3, atol=2e-4)  # half precision is rounded


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (("features", "frames"), "features"),
        (("start = 0, end = 1> (input_values)", "start = 0, end = 2> (input_values)"), "sizes"),
    ],
)
def test_a_graph_that_cannot_be_split_is_refused(
    tmp_path: Path, change: tuple[str, str], word: str
) -> None:
    whole = save(tmp_path, serialised(SIZES.replace(*change), {}))
    with pytest.raises(ExportError, match=word):
        write_pair(whole, SMALL)


@pytest.mark.parametrize("factor", [1.0, 1.01])
def test_a_pair_is_compared_with_the_whole_in_pieces(tmp_path: Path, factor: float) -> None:
    whole = save(tmp_path, two_part_models()[2])
    frontend, encoder = write_pair(whole, FRAMES)
    changed = onnx.load(encoder)
    (weights,) = [tensor for tensor in changed.graph.initializer if tensor.name == "weights"]
    values = onnx.numpy_helper.to_array(weights) * np.float32(factor)
    weights.CopyFrom(onnx.numpy_helper.from_array(values, "weights"))
    onnx.save_model(changed, encoder)
    result = GateResult()
    speech = ReferenceSpeech("noise", 0, (Probe("a probe", WAVE),), (), WAVE[0])
    limits = PRECISIONS["fp32"].limits
    verify_pair(result, whole, (frontend, encoder), FRAMES, speech, limits)
    assert result.measured["max_feature_difference"] < 1e-5
    assert (result.measured["max_pair_difference"] <= limits.pair) == (factor == 1.0)
    assert [f for f in result.failures if "a probe" in f] == result.failures
    assert bool(result.failures) == (factor != 1.0)
