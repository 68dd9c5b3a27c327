"""The network of 317 M parameters at every precision: about half an hour on two cores."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.source_tree import ROOT

psutil = pytest.importorskip("psutil")

MAKE = """
import sys, torch
from dataclasses import replace
from pathlib import Path
from ser_rt.benchmarks.measure.training_memory import FULL_SIZE
from ser_rt.networks.checkpoint import save_checkpoint
from ser_rt.model import EmotionModel

torch.manual_seed(0)
model = EmotionModel(replace(FULL_SIZE, input_normalization="none")).eval()
save_checkpoint(model, Path(sys.argv[1]), temperature=1.0, training={})
"""
EXPORT = """
import sys
from ser_rt.export.__main__ import main
from ser_rt.export.progress import peak_memory_mb

code = main(sys.argv[1:])
print(peak_memory_mb())
sys.exit(code)
"""


def run(code: str, *arguments: str) -> str:
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if psutil.virtual_memory().available < 12e9:
        pytest.skip("needs 12 GB of free memory")
    folder = tmp_path_factory.mktemp("full")
    run(MAKE, str(folder))
    return folder


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("precision", "size_gb"), [("fp32", 1.3), ("fp16", 0.7), ("int8", 0.4)])
def test_it_is_exported(precision: str, size_gb: float, checkpoint: Path, tmp_path: Path) -> None:
    out = tmp_path / precision
    # With random weights int8 may fail gates that a trained network passes.
    flags = ("--precision", precision, "--gates", "report")
    peak_mb = float(run(EXPORT, str(checkpoint), "--out", str(out), *flags))
    size = sum(path.stat().st_size for path in out.iterdir())
    gates = json.loads((out / "manifest.json").read_text())["gates"]
    sys.stdout.write(f"{precision}: {size / 1e9:.2f} GB, peak {peak_mb:.0f} MB, {gates}\n")
    assert size < size_gb * 1e9
    assert peak_mb < 10_000
    assert precision == "int8" or gates["passed"]
