"""What tests of batches need: a small corpus, and ways to run over it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile

from ser_rt.batch.classify_file import BatchConfig
from ser_rt.batch.cli import main
from ser_rt.batch.engines import ENGINES
from ser_rt.batch.flags import make_parser
from ser_rt.batch.run import job_of
from ser_rt.bundle import Bundle
from tests.conftest import RATE, make_wave

Run = Callable[..., tuple[int, list[str]]]


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seven recordings, of 0.6 s to 4.2 s; one is silent at its end."""
    folder = tmp_path_factory.mktemp("corpus")
    for number in range(7):
        wave = make_wave(0.6 * (number + 1), seed=number)
        if number == 6:
            wave[RATE:] = 0
        soundfile.write(folder / f"{number}.wav", wave, RATE)
    return folder


@pytest.fixture(scope="session")
def calls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty recordings of 12 s."""
    folder = tmp_path_factory.mktemp("calls")
    for number in range(30):
        soundfile.write(folder / f"{number:02}.wav", make_wave(12, seed=number), RATE)
    return folder


@pytest.fixture
def run(
    tiny_bundle: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Run:
    """Run the command in this process, without any other; return exit code and lines of status."""
    monkeypatch.setitem(ENGINES, "here", "tests.support.engines:classify_here")

    def run_main(*flags: object, model: Path = tiny_bundle) -> tuple[int, list[str]]:
        always = ("--model", model, "--no-vad", "--engine", "here")
        code = main([str(flag) for flag in (*flags[:1], *always, *flags[1:])])
        out, err = capsys.readouterr()
        assert out == ""
        return code, err.splitlines()

    return run_main


@pytest.fixture(scope="session")
def job(tiny_bundle: Path) -> BatchConfig:
    """Settings for noise: its level tells it from silence."""
    bundle = Bundle.load(tiny_bundle)
    argv = ["x", "--out", "x", "--no-vad", "--model", str(tiny_bundle)]
    return job_of(make_parser().parse_args(argv), bundle)


def files_of(out: Path) -> dict[str, dict[str, Any]]:
    """Rows of files by name, without the time they took; it fails if one is there twice."""
    rows = pq.read_table(out / "files").drop_columns("elapsed_s").to_pylist()
    found = {Path(row["path"]).name: row for row in rows}
    assert len(found) == len(rows)
    return found


def windows_of(out: Path) -> pa.Table:
    """Rows of windows in order."""
    return pq.read_table(out / "windows").sort_by([("path", "ascending"), ("index", "ascending")])
