"""``ser-check`` passes what is right, and fails what is not, with a line that names it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from ser_rt import testing
from ser_rt.bundle import Bundle, write_bundle
from ser_rt.commands.check import main
from ser_rt.runtime.backends.ort import onnxruntime
from ser_rt.runtime.backends.parity import HOPS, PARTS, WHOLE, check
from ser_rt.runtime.backends.providers import CPU, CUDA
from ser_rt.testing import LABELS
from ser_rt.testing.bundles import MANIFEST
from ser_rt.testing.streaming import TINY_STREAMING, streaming_models
from tests.support.two_part_bundle import TWO_PARTS, two_part_models, write_two_parts


@pytest.fixture
def on_cpu_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnxruntime(), "get_available_providers", lambda: [CPU])
    monkeypatch.setitem(sys.modules, "openvino", None)


def run(capsys: pytest.CaptureFixture[str], *flags: object) -> tuple[int, str, str]:
    code = main([str(flag) for flag in flags])
    return code, *capsys.readouterr()


def changed(model: bytes, name: str, factor: float) -> bytes:
    """Multiply a constant of a graph."""
    graph = onnx.load_from_string(model)
    for constant in graph.graph.initializer:
        if constant.name == name:
            values = numpy_helper.to_array(constant) * np.float32(factor)
            constant.CopyFrom(numpy_helper.from_array(values, name))
    serialised: bytes = graph.SerializeToString()
    return serialised


@pytest.mark.usefixtures("on_cpu_only")
def test_a_good_bundle_passes(capsys: pytest.CaptureFixture[str], two_part_bundle: Path) -> None:
    code, out, err = run(capsys, two_part_bundle)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert "3 files match the manifest; 12 windows" in out
    assert [line.split()[-1] for line in lines if " CPU " in line] == ["ok", "ok"]
    assert sum("skipped" in line for line in lines) == 5
    assert "pip install 'ser-rt[gpu]'" in out


@pytest.mark.usefixtures("on_cpu_only")
def test_the_report_as_json(capsys: pytest.CaptureFixture[str], two_part_bundle: Path) -> None:
    code, out, _ = run(capsys, two_part_bundle, "--json", "--windows", 4, "--threads", 1)
    report = json.loads(out)
    assert (code, report["ok"], report["windows"], report["precision"]) == (0, True, 4, "fp32")
    whole, parts, cuda, *_ = report["rows"]
    assert (whole["provider"], whole["form"], whole["max_difference"]) == ("cpu", WHOLE, 0)
    assert parts["form"] == PARTS
    assert parts["label_agreement"] == 1
    assert parts["max_difference"] < 1e-5
    for row in (whole, parts):
        assert row["nodes"][CPU] > 5
        assert row["cold_ms"] > 0
        assert row["warm_ms"] > 0
    assert (cuda["ok"], cuda["max_difference"]) == (True, None)
    assert "built without CUDAExecutionProvider" in cuda["problem"]


def test_the_built_in_bundle_is_checked_by_default(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "--provider", "cpu", "--windows", 2)
    assert code == 0
    assert out.startswith("base ")


@pytest.mark.usefixtures("on_cpu_only")
def test_a_provider_that_was_asked_for_must_come_up(
    capsys: pytest.CaptureFixture[str], tiny_bundle: Path
) -> None:
    code, out, err = run(capsys, tiny_bundle, "--provider", "cuda")
    assert code == 1
    assert err.startswith("ser-check: cuda, whole: CUDAExecutionProvider did not come up: ")
    assert "FAILED" in out
    assert "tensorrt" not in out


def test_another_provider_is_compared_with_the_cpu(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ort = onnxruntime()
    real = ort.InferenceSession

    class Gpu:
        """A GPU that answers as the CPU does, and a little louder."""

        def __init__(self, path: str, *_: object, providers: Any, **__: object) -> None:
            if "enable_cuda_graph" in providers[0][1]:
                msg = "it captures nothing"
                raise RuntimeError(msg)
            self._names = [name for name, _ in providers]
            options = ort.SessionOptions()
            options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
            self._real = real(path, options, providers=[CPU])

        def get_providers(self) -> list[str]:
            return self._names

        def run(self, names: list[str], feed: dict[str, Any]) -> list[Any]:
            found = self._real.run(names, feed)
            return [x + error * (self._names[0] == CUDA) for x in found]

        def __getattr__(self, name: str) -> Any:
            return getattr(self._real, name)

    monkeypatch.setattr(ort, "get_available_providers", lambda: [CUDA, CPU])
    monkeypatch.setattr(ort, "InferenceSession", Gpu)
    bundle = Bundle.load(tiny_bundle)
    for error, ok in ((np.float32(0.005), True), (np.float32(0.05), False)):
        report = check(bundle, ["cuda"], windows=3)
        row = report.rows[-1]
        assert (row.provider, row.ok, report.ok) == ("cuda", ok, ok)
        assert row.max_difference == pytest.approx(float(error), rel=1e-3)


def test_a_tampered_file_fails(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    folder = testing.tiny_bundle(tmp_path / "tiny")
    content = bytearray((folder / "model.onnx").read_bytes())
    content[len(content) // 2] ^= 1
    (folder / "model.onnx").write_bytes(content)
    code, out, err = run(capsys, folder, "--json")
    assert code == 1
    assert err.count("\n") == 1
    assert "sha256" in err
    assert json.loads(out)["ok"] is False


def test_a_file_that_is_no_graph_fails(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    folder = write_bundle(tmp_path / "bad", {"model.onnx": b"not a graph"}, MANIFEST)
    code, _, err = run(capsys, folder)
    assert code == 1
    assert err.startswith("ser-check: cpu, whole: ")
    assert "does not load" in err


def test_an_encoder_that_is_not_the_whole_graphs_fails(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    frontend, encoder, whole = two_part_models()
    folder = write_two_parts(tmp_path / "two", frontend, changed(encoder, "weights", 1.1), whole)
    code, _, err = run(capsys, folder, "--provider", "cpu")
    assert code == 1
    assert "cpu, parts: a probability is" in err


@pytest.mark.parametrize("entry", [{"receptive_field": 720}, {"stride": 160}])
def test_frames_that_lie_elsewhere_than_the_manifest_says_fail(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, entry: dict[str, Any]
) -> None:
    reuse = replace(TWO_PARTS, **entry)
    folder = write_two_parts(tmp_path / "two", *two_part_models(), feature_reuse=reuse)
    code, _, err = run(capsys, folder, "--provider", "cpu")
    assert code == 1
    assert "frames" in err


def test_answers_that_are_no_numbers_fail(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    frontend, encoder, whole = two_part_models(len(LABELS))
    folder = write_two_parts(
        tmp_path / "two", frontend, encoder, changed(whole, "weights", float("inf"))
    )
    code, _, err = run(capsys, folder)
    assert code == 1
    assert "not finite" in err


def write_stream(folder: Path, change: Callable[[onnx.GraphProto], None]) -> Path:
    """Write the tiny streaming bundle with another graph of hops."""
    whole, stream = streaming_models()
    graph = onnx.load_from_string(stream)
    change(graph.graph)
    files = {"model.onnx": whole, "stream.onnx": graph.SerializeToString()}
    return write_bundle(folder, files, replace(MANIFEST, streaming=TINY_STREAMING))


def forget(graph: onnx.GraphProto) -> None:
    """Let the statistics of earlier hops be lost."""
    for node in graph.node:
        if node.output[0] == "pooled_frames_next":
            node.input[0] = "pooled_frames"


def mix(graph: onnx.GraphProto) -> None:
    """Let each stream be mixed with the mean of all."""
    for node in graph.node:
        node.input[:] = ["mixed" if name == "audio" else name for name in node.input]
    graph.initializer.append(numpy_helper.from_array(np.array([0]), "streams"))
    mean = onnx.helper.make_node("ReduceMean", ["audio", "streams"], ["mean"], keepdims=1)
    both = onnx.helper.make_node("Mean", ["audio", "mean"], ["mixed"])
    for node in (both, mean):
        graph.node.insert(0, node)


def test_hops_are_compared_with_whole_windows(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    folder = testing.tiny_streaming_bundle(tmp_path / "good")
    code, out, err = run(capsys, folder, "--provider", "cpu", "--json")
    assert (code, err) == (0, "")
    whole, hops = json.loads(out)["rows"]
    assert (whole["form"], hops["form"]) == (WHOLE, HOPS)
    assert hops["max_difference"] < 1e-5


@pytest.mark.parametrize(
    ("change", "reason"), [(forget, "off the whole graph"), (mix, "beside others")]
)
def test_a_stream_that_is_not_the_whole_fails(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    change: Callable[[onnx.GraphProto], None],
    reason: str,
) -> None:
    code, _, err = run(capsys, write_stream(tmp_path / "bad", change), "--provider", "cpu")
    assert code == 1
    assert err.startswith("ser-check: cpu, hops: ")
    assert reason in err


def test_bad_flags_are_usage_errors(capsys: pytest.CaptureFixture[str]) -> None:
    for flags in (["--provider", "tpu"], ["--windows", "0"], ["--nonsense"]):
        with pytest.raises(SystemExit) as stop:
            main(flags)
        assert stop.value.code == 2
    capsys.readouterr()
    code, _, err = run(capsys, "no-such-bundle")
    assert code == 1
    assert "no model bundle 'no-such-bundle'" in err
