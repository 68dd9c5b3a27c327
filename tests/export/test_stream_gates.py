"""A graph with caches that differs from its network is refused, by the name of what differs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from ser_rt.bundle import Bundle
from ser_rt.errors import ExportError, GateError
from ser_rt.export import stream
from ser_rt.export.precision import PRECISIONS
from ser_rt.export.stream_graph import ServedStream
from ser_rt.export.stream_reference import StreamOutputs, run_reference
from ser_rt.export.verify import GateResult
from ser_rt.export.verify_stream import verify_stream
from ser_rt.networks.checkpoint import load_model
from tests.conftest import make_wave
from tests.export.conftest import LABELS, Export

Change = Callable[[onnx.GraphProto], None]
AUDIO = make_wave(8.0)


@pytest.fixture(scope="module")
def bundle(whisper: Path, export_once: Export) -> Bundle:
    return Bundle.load(export_once(whisper))


@pytest.fixture(scope="module")
def outputs(whisper: Path, bundle: Bundle) -> list[StreamOutputs]:
    assert bundle.streaming is not None
    return run_reference(ServedStream(load_model(whisper)[0], 1.7), AUDIO, bundle.streaming)


def gates(path: Path, bundle: Bundle, outputs: list[StreamOutputs]) -> GateResult:
    assert bundle.streaming is not None
    limits = PRECISIONS["fp32"].limits
    return verify_stream(path, bundle.streaming, AUDIO, outputs, limits, LABELS, 16_000, 1_500)


def constant(graph: onnx.GraphProto, value: float, other: float) -> None:
    """Replace the constants of one element that have a value."""
    found = [
        tensor
        for tensor in graph.initializer
        if not tensor.external_data and (numpy_helper.to_array(tensor) == value).all()
    ]
    assert found
    for tensor in found:
        changed = np.full_like(numpy_helper.to_array(tensor), other)
        tensor.CopyFrom(numpy_helper.from_array(changed, tensor.name))


def show_what_is_empty(graph: onnx.GraphProto) -> None:
    constant(graph, -1e4, 0.0)


def lose_count_of_positions(graph: onnx.GraphProto) -> None:
    constant(graph, 1_500, 1_499)


def mix_streams(graph: onnx.GraphProto) -> None:
    """Give each stream the mean of all; alone it has its own."""
    for node in graph.node:
        node.input[:] = ["halved" if name == "audio" else name for name in node.input]
    graph.initializer.append(numpy_helper.from_array(np.array([0]), "axis_of_streams"))
    mean = helper.make_node("ReduceMean", ["audio", "axis_of_streams"], ["mean"], keepdims=1)
    half = helper.make_node("Mean", ["audio", "mean"], ["halved"])
    for node in (half, mean):
        graph.node.insert(0, node)


@pytest.mark.parametrize(
    ("change", "gate"),
    [
        (show_what_is_empty, "max_probability_difference"),
        (lose_count_of_positions, "max_age_difference"),
        (mix_streams, "max_batch_difference"),
        (mix_streams, "max_reset_difference"),
    ],
)
def test_what_differs_is_named(
    bundle: Bundle, outputs: list[StreamOutputs], tmp_path: Path, change: Change, gate: str
) -> None:
    assert bundle.streaming is not None
    model = onnx.load(bundle.streaming.graph)
    change(model.graph)
    onnx.save(model, tmp_path / "stream.onnx")
    failures = gates(tmp_path / "stream.onnx", bundle, outputs).failures
    assert any(failure.startswith(gate) for failure in failures), failures


def test_the_graph_itself_passes(bundle: Bundle, outputs: list[StreamOutputs]) -> None:
    assert bundle.streaming is not None
    assert gates(bundle.streaming.graph, bundle, outputs).failures == []


def test_a_cache_that_grows_is_refused(
    bundle: Bundle, outputs: list[StreamOutputs], tmp_path: Path
) -> None:
    assert bundle.streaming is not None
    model = onnx.load(bundle.streaming.graph)
    output = next(value for value in model.graph.output if value.name == "keys_1_next")
    output.type.tensor_type.shape.dim[2].dim_param = "more"
    onnx.save(model, tmp_path / "stream.onnx")
    with pytest.raises(ExportError, match="keys_1_next"):
        gates(tmp_path / "stream.onnx", bundle, outputs)


def test_a_stream_that_fails_writes_no_bundle(
    whisper: Path, export_once: Export, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = GateResult({}, ["caches differ"])
    monkeypatch.setattr(stream, "verify_stream", lambda *_: failed)
    with pytest.raises(GateError, match="streaming: caches differ"):
        export_once(whisper, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []
