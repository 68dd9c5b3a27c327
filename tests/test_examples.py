"""Every program of examples/ runs as it is, on the sample."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

import ser_rt
from tests.server.conftest import serving
from tests.support.programs import needs
from tests.support.source_tree import ROOT

EXAMPLES = ROOT / "examples"
LINE = re.compile(r"\d+\.\d s  \w+ \d+ ?%")


def run(folder: Path, *command: str | Path) -> str:
    env = os.environ | {"PYTHONPATH": str(ROOT), "MPLBACKEND": "Agg", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, cwd=folder, env=env, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_list_has_them_all() -> None:
    listed = set(re.findall(r"^\| \[(\S+)\]", (EXAMPLES / "README.md").read_text(), re.MULTILINE))
    assert listed == {path.name for path in EXAMPLES.iterdir()} - {"README.md"}


@pytest.mark.parametrize("name", ["callback.py", "asyncio_stream.py"])
def test_a_stream_is_printed(name: str, tmp_path: Path) -> None:
    assert LINE.search(run(tmp_path, sys.executable, EXAMPLES / name))


def test_both_speakers_are_heard(tmp_path: Path) -> None:
    shown = run(tmp_path, sys.executable, EXAMPLES / "two_speakers.py")
    assert re.search(r"^speaker 1: \w+ for", shown, re.MULTILINE)
    assert re.search(r"^speaker 2: \w+ for", shown, re.MULTILINE)


def test_batch_ends_in_pandas(tmp_path: Path) -> None:
    pytest.importorskip("pandas", reason="the example is about pandas")
    shown = run(tmp_path, sys.executable, EXAMPLES / "batch_to_pandas.py")
    assert "sample.flac" in shown
    assert "count" in shown


def test_the_notebook_draws(tmp_path: Path) -> None:
    cells = json.loads((EXAMPLES / "plots.ipynb").read_text(encoding="utf-8"))["cells"]
    code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    (tmp_path / "cells.py").write_text(code, encoding="utf-8")
    assert "s of speech" in run(tmp_path, sys.executable, "cells.py")
    assert (tmp_path / "emotions.png").stat().st_size > 1000


@needs("node")
def test_node_speaks_to_the_server(tmp_path: Path) -> None:
    samples, rate = soundfile.read(ser_rt.sample_path(), dtype="int16")
    wave = np.stack([samples[: 6 * rate], samples[: 6 * rate]], axis=1)
    soundfile.write(tmp_path / "speech.wav", wave, rate, subtype="PCM_16")
    with serving(ser_rt.load("compact")) as server:
        command = ["node", "--no-warnings", "--experimental-websocket"]
        shown = run(tmp_path, *command, EXAMPLES / "node_client.mjs", server.ws, "speech.wav")
    assert LINE.search(shown)
    assert "all in all: " in shown
