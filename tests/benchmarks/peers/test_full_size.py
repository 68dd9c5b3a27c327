"""`ser-bench full-size`, with a network of 30,000 parameters."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from ser_rt import testing
from ser_rt.benchmarks.__main__ import main
from ser_rt.benchmarks.gpu import steps
from ser_rt.benchmarks.peers import full_size
from ser_rt.benchmarks.peers.full_size import make
from ser_rt.errors import ConfigError, ExportError

QUICK = ["--scale", "tiny", "--rounds", "2", "--steps", "2", "--warmup", "0", "--no-floor"]


@pytest.fixture
def exported(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Have tiny bundles of the precision written instead of exports; return what was asked for."""
    found: list[str] = []

    def export(context: steps.Context, precision: str) -> None:
        is_stream = context.work.name == "stream"
        found.append(f"{precision} stream" if is_stream else precision)
        bundle = testing.tiny_streaming_bundle if is_stream else testing.tiny_bundle
        bundle(context.bundle(precision), name=precision, precision=precision)

    monkeypatch.setattr(full_size, "export", export)
    return found


def test_one_command_makes_the_network_and_measures_it_beside_others(
    tmp_path: Path, exported: list[str]
) -> None:
    path = tmp_path / "x.json"
    flags = ["--work", str(tmp_path / "work"), "--provider", "cpu", "--peer", "PyTorch eager"]
    assert main(["full-size", *QUICK, *flags, "--json", str(path)]) == 0
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    assert exported == ["fp32", "int8", "int8 stream"]
    assert found["command"] == "peers"
    assert [row["variant"]["label"] for row in found["rows"]] == [
        "PyTorch eager",
        "ser-rt fp32",
        "ser-rt int8",
        "ser-rt int8 streaming",
    ]
    assert all(row["status"] == "ok" for row in found["rows"])


def test_what_is_there_is_not_made_again(tmp_path: Path, exported: list[str]) -> None:
    said: list[str] = []
    first = make(tmp_path, "tiny", said.append)
    shutil.rmtree(tmp_path / "bundle-int8")
    assert make(tmp_path, "tiny", said.append) == first
    assert exported == ["fp32", "int8", "int8 stream", "int8"]
    assert sum("network" in line for line in said) == 2


def test_a_folder_of_another_network_is_refused(tmp_path: Path, exported: list[str]) -> None:
    make(tmp_path, "tiny", lambda _: None)
    with pytest.raises(ConfigError, match="--work"):
        make(tmp_path, "full", lambda _: None)
    (tmp_path / "network" / "config.json").write_text("{}")
    with pytest.raises(ConfigError, match="--work"):
        make(tmp_path, "tiny", lambda _: None)
    assert exported == ["fp32", "int8", "int8 stream"]


def test_an_export_that_fails_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: steps.Context, precision: str) -> None:
        raise subprocess.CalledProcessError(3, f"ser-export {precision}")

    monkeypatch.setattr(full_size, "export", fail)
    with pytest.raises(ExportError, match="fp32"):
        make(tmp_path, "tiny", lambda _: None)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_whole_command_runs(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    flags = ["--work", str(tmp_path / "work"), "--provider", "cpu", "--peer", "onnxruntime"]
    assert main(["full-size", *QUICK, *flags, "--json", str(path)]) == 0
    rows = json.loads(path.read_text(encoding="utf-8"))["rows"]
    ours = ["ser-rt network-fp32 fp32", "ser-rt network-int8 int8"]
    labels = ["onnxruntime fp32", "onnxruntime int8", *ours]
    assert [row["variant"]["label"] for row in rows] == [
        *labels,
        "ser-rt network-int8 int8 streaming",
    ]
    assert all(row["agreement"]["max_difference"] < 0.1 for row in rows[:4])
    assert rows[4]["agreement"] is None
