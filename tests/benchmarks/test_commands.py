"""The commands, end to end, on a bundle of a few hundred bytes."""

from __future__ import annotations

import json
import os
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest

from ser_rt import testing
from ser_rt.benchmarks import commands
from ser_rt.benchmarks.__main__ import main
from ser_rt.benchmarks.measure import scheduler
from ser_rt.benchmarks.measure.runners import RUNNERS
from ser_rt.benchmarks.measure.variant import Variant, labelled
from ser_rt.benchmarks.peers.peer_table import PEERS, chosen
from ser_rt.benchmarks.report.summary import spread
from ser_rt.bundle import Bundle
from ser_rt.errors import ConfigError
from tests.support import documents

QUICK = ["--rounds", "2", "--steps", "2", "--warmup", "0"]


@pytest.fixture
def int8(tmp_path: Path) -> Path:
    return testing.tiny_bundle(tmp_path / "small", name="small", precision="int8")


def measured(path: Path, *argv: str) -> dict[str, Any]:
    assert main([*argv, "--json", str(path)]) == 0
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def test_latency_of_every_combination(tmp_path: Path, tiny_bundle: Path, int8: Path) -> None:
    flags = ["--bundle", str(tiny_bundle), str(int8), "--part", "hop", "window"]
    found = measured(tmp_path / "x.json", "latency", *flags, *QUICK)
    rows = found["rows"]
    assert len({row["variant"]["label"] for row in rows}) == len(rows) == 4
    for row in rows:
        assert row["status"] == "ok"
        assert row["steps"] == len(row["samples_ms"]) == 4
        assert row["cost_ms"]["min"] <= row["cost_ms"]["p50"] <= row["cost_ms"]["p99"]
        assert row["peak_memory_mb"] > 10
        assert 0 < row["cold_start_s"] < 60
        # the same windows, whoever classifies them: streams, whole windows, both bundles
        assert row["agreement"]["labels"] == 1.0
        assert row["agreement"]["max_difference"] < 1e-5
    assert found["machine"]["cpu"]
    assert {"commit", "measured_at", "versions", "settings"} <= found.keys()
    assert str(tmp_path) not in json.dumps(found)


def test_a_network_with_caches_is_measured_with_and_without(
    tmp_path: Path, streaming_bundle: Path
) -> None:
    flags = ["--bundle", str(streaming_bundle), *QUICK]
    windowed, streaming = measured(tmp_path / "x.json", "latency", *flags)["rows"]
    assert [row["variant"]["streaming"] for row in (windowed, streaming)] == [False, True]
    for row in (windowed, streaming):
        assert row["status"] == "ok"
        assert row["cpu_ratio"]["to"] == "ser-rt tiny-streaming fp32 windowed"
        assert row["streams_per_core"] == pytest.approx(500 / row["cpu_ms"]["mean"], rel=0.01)
    # Of this bundle a full window has the same answer in both forms.
    assert streaming["agreement"]["max_difference"] < 1e-4
    flags += ["--streams", "2", "--seconds", "1"]
    found = measured(tmp_path / "y.json", "streams", *flags[:2], *flags[-4:])["rows"]
    assert [row["variant"]["streaming"] for row in found] == [False, True]
    assert all(row["status"] == "ok" and row["lost_windows"] == 0 for row in found)


def test_rows_have_their_distance_from_the_floor_of_what_they_compute(tmp_path: Path) -> None:
    flags = ["--bundle", "compact", "--part", "hop", "--floor", *QUICK]
    found = measured(tmp_path / "x.json", "latency", *flags)
    (row,), floor = found["rows"], found["floor"]
    assert floor["giga_operations"] == {"compact fp32, window 3 s, hop 0.5 s": 0.175}
    least = floor["ms"]["1"]["int8 compact fp32, window 3 s, hop 0.5 s"]
    assert row["floor_distance"] == pytest.approx(row["cost_ms"]["p50"] / least, rel=0.01)


def test_throughput_counts_windows_and_audio(tmp_path: Path, tiny_bundle: Path) -> None:
    flags = ["--bundle", str(tiny_bundle), "--batch", "1", "4", *QUICK]
    one, four, file = measured(tmp_path / "x.json", "throughput", *flags)["rows"]
    for row, work in ((one, 1), (four, 4)):
        assert row["work_per_s"] == pytest.approx(1e3 * work / row["cost_ms"]["p50"], rel=0.5)
    assert file["work_per_s"] > 1.0


@pytest.mark.parametrize("max_batch", ["0", "4"])
def test_streams_lose_no_window_of_a_model_that_is_quick(
    tmp_path: Path, tiny_bundle: Path, max_batch: str
) -> None:
    flags = ["--bundle", str(tiny_bundle), "--streams", "3", "--seconds", "1"]
    (row,) = measured(tmp_path / "x.json", "streams", *flags, "--max-batch", max_batch)["rows"]
    # three streams of one second, a result every half
    assert row["streams"] == 3
    assert 5 <= row["windows"] + row["lost_windows"] <= 12
    assert row["latency_ms"]["p50"] > 0


def test_the_search_says_how_many_streams_fit(tmp_path: Path, tiny_bundle: Path) -> None:
    flags = ["--bundle", str(tiny_bundle), "--find-max-streams", "--limit", "2"]
    flags += ["--seconds", "0.5", "--p95", "5000", "--lost", "1"]
    found = measured(tmp_path / "x.json", "streams", *flags)
    assert {row["found_max"]["streams"] for row in found["rows"]} == {2}


def test_agreement_of_bundles(tmp_path: Path, tiny_bundle: Path) -> None:
    other = testing.tiny_bundle(tmp_path / "other", name="other", temperature=2.0)
    flags = ["--bundle", str(tiny_bundle), str(other), "--through", "stream"]
    first, second = measured(tmp_path / "x.json", "agreement", *flags)["rows"]
    assert first["agreement"]["windows"] == second["agreement"]["windows"] > 50
    assert second["agreement"]["labels"] == 1.0


def test_agreement_over_clips_scores_them(
    tmp_path: Path, tiny_bundle: Path, int8: Path, write_audio: Any
) -> None:
    from tests.conftest import make_wave

    names = [write_audio(f"{i}.wav", make_wave(4.0, seed=i)).name for i in range(3)]
    lines = ["file_path,emotion", *(f"{name},Joy" for name in names)]
    (tmp_path / "clips.csv").write_text("\n".join(lines))
    flags = ["--bundle", str(tiny_bundle), str(int8), "--data", str(tmp_path / "clips.csv")]
    first, second = measured(tmp_path / "x.json", "agreement", *flags)["rows"]
    assert first["uar"] == second["uar"]
    assert 0 <= first["uar"] <= 1
    assert second["agreement"]["windows"] == 9


def test_agreement_of_a_stream_with_whole_windows(
    tmp_path: Path, streaming_bundle: Path, write_audio: Any
) -> None:
    from tests.conftest import make_wave

    lines = ["file_path,emotion,dataset"]
    for i, emotion in enumerate(["Joy", "Happy", "Neutral", "Joy"]):
        name = write_audio(f"{i}.wav", make_wave(4.0, seed=i)).name
        lines.append(f"{name},{emotion},{'one' if i < 2 else 'two'}")
    (tmp_path / "clips.csv").write_text("\n".join(lines))
    flags = ["--bundle", str(streaming_bundle), "--through", "both"]
    flags += ["--data", str(tmp_path / "clips.csv"), "--same-labels", "Happy=Joy"]
    windowed, streaming = measured(tmp_path / "x.json", "agreement", *flags)["rows"]
    assert [row["variant"]["streaming"] for row in (windowed, streaming)] == [False, True]
    assert streaming["agreement"]["with"] == "streaming windowed"
    for row in (windowed, streaming):
        assert row["agreement"]["windows"] == windowed["agreement"]["windows"] > 12
        assert sorted(row["uar_by_dataset"]) == ["one", "two"]
        assert row["uar_of_datasets"] == pytest.approx(sum(row["uar_by_dataset"].values()) / 2)
    # Of this bundle a full window has the same answer in both forms.
    assert streaming["agreement"]["labels"] == 1.0


@pytest.mark.parametrize(
    ("argv", "code", "word"),
    [
        (["latency", "--hop", "4"], 2, "--hop 4"),
        (["latency", "--chunk", "1"], 2, "--chunk 1"),
        (["latency", "--bundle", "none"], 1, "'none'"),
        (["latency", "--compare-to", "x"], 2, "'x'"),
        (["latency", "--audio", "none.wav"], 1, "none.wav"),
        (["agreement", "--bundle", "compact"], 2, "two"),
        (["agreement", "--bundle", "compact", "--through", "both"], 2, "two"),
        (["agreement", "--bundle", "base", "--through", "both", "--data", "none.csv"], 1, "none"),
        (["peers", "none", "--peer", "x"], 2, "--peer 'x'"),
        (["full-size", "--peer", "x"], 2, "--peer 'x'"),
        (["peers", "none"], 1, "config.json"),
    ],
)
def test_a_wrong_command_line_is_one_line(
    capsys: pytest.CaptureFixture[str], argv: list[str], code: int, word: str
) -> None:
    assert main(argv) == code
    error = capsys.readouterr().err
    assert word in error
    assert "Traceback" not in error


@pytest.mark.parametrize("flag", ["--threads=0", "--rounds=x", "--window=-1", "--lost=2"])
def test_a_value_out_of_range_is_a_wrong_command_line(flag: str) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["streams", flag] if flag.startswith("--lost") else ["latency", flag])
    assert stop.value.code == 2


def test_a_gpu_is_asked_for_by_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(commands, "gpus", list)
    assert main(["gpu", "run"]) == 1
    assert "no NVIDIA GPU" in capsys.readouterr().err


def test_on_a_gpu_peers_run_there_and_cpu_only_ones_are_left_out(tiny_bundle: Path) -> None:
    plans = list(chosen([], Path("run"), [Bundle.load(tiny_bundle)], "cuda"))
    assert {place for *_, place, _ in plans} == {"cuda", "tensorrt"}
    names = {peer.runner for peer, *_ in plans}
    assert {"CUDA graphs", "PyTorch eager", "torch.compile", "onnxruntime"} <= names
    assert not any("OpenVINO" in name for name in names)


def test_a_peer_without_what_it_runs_says_so(tiny_bundle: Path) -> None:
    plans = chosen(["OpenVINO", "audonnx"], Path("run"), [Bundle.load(tiny_bundle)], "cpu")
    reasons = {peer.runner: unfit for peer, *_, unfit in plans}
    assert "int8" in reasons["OpenVINO"]
    with pytest.raises(ConfigError, match="there are transformers pipeline"):
        list(chosen(["none"], Path("run"), [], "cpu"))


def test_every_peer_has_a_runner() -> None:
    assert {peer.runner for peer in PEERS} <= RUNNERS.keys()


def test_a_variant_that_cannot_run_is_a_row_with_the_reason(
    tmp_path: Path, tiny_bundle: Path
) -> None:
    flags = ["latency", "--bundle", str(tiny_bundle), "--provider", "cpu", "cuda", *QUICK]
    rows = measured(tmp_path / "x.json", *flags)["rows"]
    if rows[1]["status"] == "ok":
        pytest.skip("this machine has a GPU")
    assert rows[0]["status"] == "ok"
    assert "ProviderError" in rows[1]["problem"]


def test_a_model_that_does_not_fit_in_memory_is_not_started(
    monkeypatch: pytest.MonkeyPatch, tiny_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(scheduler, "ROOM", 1e12)
    assert main(["latency", "--bundle", str(tiny_bundle), *QUICK]) == 1
    assert "GB of memory" in capsys.readouterr().out


def test_a_worker_that_dies_is_a_row_with_its_last_words(
    tmp_path: Path, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken" / "numpy").mkdir(parents=True)
    (tmp_path / "broken" / "numpy" / "__init__.py").write_text("raise SystemExit('no numpy')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "broken"))
    assert main(["latency", "--bundle", str(tiny_bundle), *QUICK]) == 1


def test_labels_name_what_differs() -> None:
    variants = [Variant("a", threads=1), Variant("a", threads=2)]
    labels = [v.label for v in labelled(variants, ["a", "a"])]
    assert labels == ["a, 1 thread", "a, 2 threads"]


def test_percentiles() -> None:
    found = spread([1.0] * 94 + [5.0] * 6)
    assert (found["p50"], found["p95"], found["max"]) == (1.0, 5.0, 5.0)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no way to keep to a core")
def test_workers_keep_to_the_cores_they_are_given(tmp_path: Path, tiny_bundle: Path) -> None:
    flags = ["latency", "--bundle", str(tiny_bundle), "--threads", "2", "--cores", "1", *QUICK]
    (row,) = measured(tmp_path / "x.json", *flags)["rows"]
    assert row["cpu_share"] <= 1.1


def test_a_dash_prints_the_result_instead_of_tables(capsys: pytest.CaptureFixture[str]) -> None:
    found = documents.document("latency", [documents.row("a", 2.0)])
    assert commands.finish(Namespace(json=Path("-")), [found]) == 0
    assert json.loads(capsys.readouterr().out) == found
