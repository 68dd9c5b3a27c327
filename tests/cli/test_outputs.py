"""An output that cannot be written is found before the work that would fill it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

import pytest

from ser_rt.testing import tiny_bundle
from tests.test_packaging import PROJECT

GONE = "{folder}/gone"
OUT = "{folder}/notes.txt/out"
TUNE = ("ser-tune", "--manifest", GONE)
STREAMS = ("ser-evaluate", "--streams", "--manifest", GONE)


@pytest.mark.parametrize(
    ("command", "flag"),
    [
        (TUNE, "-o"),
        (TUNE, "--report"),
        (STREAMS, "--output-dir"),
        (("ser-evaluate", "--manifest", GONE), "--output-dir"),
        (("ser-evaluate", "--compare", GONE), "--output-dir"),
        (("ser-predict", "--audio-path", GONE), "--output-path"),
        (("ser-train", "--manifest", GONE), "--output-dir"),
        (("ser-batch", GONE), "--out"),
        (("ser-report", GONE), "-o"),
        (("ser-export", GONE), "--out"),
        (("ser-export", GONE, "--out", "{folder}/out"), "--push-triton"),
        (("ser-bench", "latency", "--bundle", GONE), "--json"),
        (("ser-bench", "report", GONE), "--html"),
    ],
)
def test_no_work_begins(
    command: Sequence[str], flag: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "notes.txt").touch()
    suffix = ".html" if command[0] == "ser-report" else ""
    name, *words = [word.format(folder=tmp_path) for word in (*command, flag, OUT + suffix)]
    module, function = PROJECT["scripts"][name].split(":")
    assert getattr(import_module(module), function)(words) == 1
    message = capsys.readouterr().err
    assert "cannot write" in message
    assert "is no folder" in message
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_bundle_that_takes_no_profile_is_found_before_the_search(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from ser_rt.commands.tune import main

    bundle = tiny_bundle(tmp_path / "bundle")
    access = os.access
    monkeypatch.setattr(
        os, "access", lambda path, mode: path != bundle.resolve() and access(path, mode)
    )
    flags = ["--manifest", str(tmp_path / "gone"), "--model", str(bundle), "--profile", "calm"]
    assert main(flags) == 1
    assert "may not be written to" in capsys.readouterr().err
