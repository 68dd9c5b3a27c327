"""The dry run of docs/training.md, as it is written there, on a corpus of a few seconds."""

from __future__ import annotations

import importlib
import re
import shlex
from pathlib import Path

import pytest
import soundfile

from ser_rt.bundle import sample_path
from tests.support.pulses import RHYTHM_HZ, write_corpus
from tests.support.source_tree import ROOT
from tests.test_packaging import PROJECT

LABELS = ("--emotion-labels", *RHYTHM_HZ, "--batch-size", "8", "--report-to", "none")


def commands() -> list[list[str]]:
    page = (ROOT / "docs/training.md").read_text(encoding="utf-8")
    found = re.search(r"^### A dry run.*?```bash\n(.*?)```", page, re.DOTALL | re.MULTILINE)
    assert found
    return [shlex.split(line) for line in found[1].splitlines()]


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_dry_run_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_corpus(tmp_path / "data", takes=3).rename(tmp_path / "data/clips.csv")
    samples, rate_hz = soundfile.read(sample_path(), stop=96_000)
    soundfile.write(tmp_path / "speech.wav", samples, rate_hz)
    lines = commands()
    assert [words[0] for words in lines] == [
        *("ser-train", "ser-train", "ser-export", "ser-check", "ser-stream")
    ]
    for program, *words in lines:
        main = importlib.import_module(PROJECT["scripts"][program].split(":")[0]).main
        assert main([*words, *(LABELS if program == "ser-train" else ())]) == 0
    assert capsys.readouterr().out.count("\n") > 5
