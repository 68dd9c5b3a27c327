"""The command: its flags, its summary, its exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pytest

import ser_rt
from ser_rt.batch import progress
from ser_rt.batch.cli import main
from tests.batch.conftest import Run, files_of, windows_of


def summary_of(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    return found


def test_a_folder_becomes_tables_and_a_summary(run: Run, corpus: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    code, status = run(corpus, "--out", out)
    assert code == 0
    assert status[0] == "ser-batch: 7 files"
    assert "7 files classified, 0.00 h in" in status[1]
    files, windows = files_of(out), windows_of(out)
    summary = summary_of(out)
    assert summary["complete"]
    assert (summary["files"], summary["files_missing"], summary["errors"]) == (7, 0, {})
    assert summary["windows"] == len(windows) == sum(row["windows"] for row in files.values())
    assert summary["audio_s"] == pytest.approx(sum(0.6 * n for n in range(1, 8)))
    assert sum(summary["emotions"].values()) == 7
    assert (summary["model"], summary["version"]) == ("tiny", "1.0")
    assert summary["settings"]["window"] == 3.0
    assert summary["settings"]["hop"] == 0.5
    assert summary["settings"]["no_vad"] is True
    assert summary["run"]["real_time_factor"] > 0


def test_what_is_done_is_not_done_again(run: Run, corpus: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(corpus / "1.wav", "--out", out)
    before = windows_of(out)
    code, status = run(corpus, "--out", out)
    assert (code, status[0]) == (0, "ser-batch: 7 files, 1 of them done before")
    assert summary_of(out)["run"]["files"] == 6
    assert len(files_of(out)) == 7
    assert run(corpus, "--out", out) == (
        0,
        ["ser-batch: 7 files, 7 of them done before", "ser-batch: nothing is left to classify"],
    )
    assert run(corpus, "--out", out, "--quiet") == (0, [])
    assert summary_of(out)["run"]["files"] == 0
    assert windows_of(out).filter(pc.field("path") == str(corpus / "1.wav")).equals(before)


def test_a_table_with_missing_files_is_classified_and_tried_again_if_asked(
    run: Run, corpus: Path, tmp_path: Path
) -> None:
    table, out = tmp_path / "clips.csv", tmp_path / "out"
    late = tmp_path / "late.wav"
    table.write_text(f"file_path,emotion\n{corpus}/1.wav,Joy\n{late},Sad\n{late},Sad\n")
    code, status = run(table, "--out", out)
    assert (code, status[0]) == (0, "ser-batch: 2 files (1 named twice)")
    assert status[-1] == "ser-batch: errors: 1 missing (see files/)"
    found = files_of(out)
    assert found["1.wav"]["manifest_emotion"] == "Joy"
    assert found["late.wav"]["manifest_emotion"] == "Sad"
    assert found["late.wav"]["error_code"] == "missing"
    late.write_bytes((corpus / "2.wav").read_bytes())
    run(table, "--out", out)
    assert files_of(out)["late.wav"]["error_code"] == "missing"
    run(table, "--out", out, "--retry-errors")
    assert files_of(out)["late.wav"]["error_code"] is None
    assert summary_of(out)["errors"] == {}


def test_no_file_at_all_is_a_failure(run: Run, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.wav").write_text("no audio")
    assert run(tmp_path / "in", "--out", tmp_path / "out")[0] == 1
    assert files_of(tmp_path / "out")["a.wav"]["error_code"] == "unreadable"


def test_other_settings_are_refused_unless_told(run: Run, corpus: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(corpus, "--out", out)
    assert run(corpus, "--out", out, "--hop", 0.5, "--window", 3)[0] == 0
    code, status = run(corpus, "--out", out, "--hop", 1)
    assert (code, "hop = 0.5, not 1.0" in status[-1]) == (1, True)
    assert run(corpus, "--out", out, "--hop", 1, "--overwrite")[0] == 0
    assert summary_of(out)["settings"]["hop"] == 1


def test_a_network_with_caches_gives_what_a_stream_of_it_gives(
    run: Run, corpus: Path, tmp_path: Path, streaming_bundle: Path
) -> None:
    out = tmp_path / "out"
    assert run(corpus, "--out", out, model=streaming_bundle)[0] == 0
    assert summary_of(out)["settings"]["streaming"] is True
    table = windows_of(out)
    model = ser_rt.load(streaming_bundle)
    assert model.streaming is not None
    for path in sorted(corpus.glob("*.wav")):
        events = [e for e in ser_rt.stream(path, model=model, vad=False) if e.type != "warning"]
        rows = table.filter(pc.field("path") == str(path)).to_pylist()
        assert [row["end_s"] for row in rows] == [event.end for event in events]
        for row, event in zip(rows, events, strict=True):
            for label, value in event.probabilities.items():
                assert row[f"p_{label}"] == np.float32(value)
    code, status = run(corpus, "--out", out, "--no-streaming", model=streaming_bundle)
    assert code == 1
    assert "was made with streaming = True, not None" in status[-1]
    plain = tmp_path / "plain"
    assert run(corpus, "--out", plain, "--no-streaming", model=streaming_bundle)[0] == 0
    assert "streaming" not in summary_of(plain)["settings"]


def test_what_a_network_cannot_stream_is_refused_before_any_file(
    run: Run, corpus: Path, tmp_path: Path, streaming_bundle: Path
) -> None:
    out = tmp_path / "out"
    for flags, model, words in (
        (("--streaming", "--hop", 1.5), streaming_bundle, "hop"),
        (("--streaming", "--window", 2), streaming_bundle, "window"),
        (("--streaming",), None, "caches"),
    ):
        code, status = run(corpus, "--out", out, *flags, **({"model": model} if model else {}))
        assert (code, words in status[-1], out.exists()) == (2, True, False)


def test_another_window_than_the_networks_is_classified_whole(
    run: Run, corpus: Path, tmp_path: Path, streaming_bundle: Path
) -> None:
    rows = {}
    for flags in ((), ("--no-streaming",)):
        out = tmp_path / f"out{len(flags)}"
        code, status = run(corpus, "--out", out, "--window", 2, *flags, model=streaming_bundle)
        assert code == 0
        said = [line for line in status if "whole windows: window must be 3 s, not 2 s" in line]
        assert len(said) == 1 - len(flags)
        assert "streaming" not in summary_of(out)["settings"]
        rows[flags] = windows_of(out).to_pylist()
    assert rows[()] == rows["--no-streaming",]


@pytest.mark.parametrize(
    ("flags", "code", "words"),
    [
        (["--workers", 0], 2, "--workers"),
        (["--threads", -1], 2, "--threads"),
        (["--max-duration", "nan"], 2, "--max-duration"),
        (["--stall-timeout", 0], 2, "--stall-timeout"),
        (["--commit-every", -1], 2, "--commit-every must be 0 or more"),
        (["--address", "host:1"], 2, "--engine ray"),
        (["--hop", 7], 2, "hop"),
        (["--out", "s3://bucket/out"], 2, "is a URL"),
        (["--model", "nowhere"], 1, "no model bundle 'nowhere'"),
        (["nowhere.wav"], 1, "nowhere.wav"),
    ],
)
def test_a_wrong_flag_is_one_line(
    run: Run, corpus: Path, tmp_path: Path, flags: list[object], code: int, words: str
) -> None:
    given, status = run(corpus, "--out", tmp_path / "out", *flags)
    assert (given, words in status[-1]) == (code, True), status
    assert status[-1].startswith("ser-batch: ")


@pytest.mark.parametrize("flag", ["--server", "--token-file", "--episodes"])
def test_what_only_streams_have_is_no_flag_here(
    flag: str, corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main([str(corpus), "--out", str(tmp_path / "out"), flag, "x"])
    assert stop.value.code == 2
    assert f"unrecognized arguments: {flag}" in capsys.readouterr().err


def test_an_output_that_cannot_be_written_is_one_line(
    run: Run, corpus: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    code, status = run(corpus, "--out", tmp_path / "file/out")
    assert (code, len(status)) == (1, 1)
    assert "cannot write" in status[0]


def test_an_interrupt_keeps_the_results_so_far(
    run: Run, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add = progress.Meter.add

    def interrupt(meter: progress.Meter, *args: Any, **kwargs: Any) -> None:
        add(meter, *args, **kwargs)
        if meter.done == 3:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(progress.Meter, "add", interrupt)
        code, status = run(corpus, "--out", tmp_path / "out")
    assert code == 130
    assert status[-1] == "ser-batch: 4 files are left; run again to go on"
    assert not summary_of(tmp_path / "out")["complete"]
    assert len(files_of(tmp_path / "out")) == 3
    assert run(corpus, "--out", tmp_path / "out")[0] == 0
    assert len(files_of(tmp_path / "out")) == 7


def test_progress_knows_speed_and_time_left() -> None:
    now = [100.0]
    meter = progress.Meter(4, 4000, clock=lambda: now[0])
    assert str(meter) == "0 of 4 files, 0 × real time, ? left"
    meter.add(60.0, 1000, 2.0, is_error=False)
    now[0] = 103.0
    meter.add(0.0, 0, 0.0, is_error=True)
    assert meter.speed == pytest.approx(12.0)
    assert meter.left_s == pytest.approx(15.0)
    assert str(meter) == "2 of 4 files, 1 with errors, 12 × real time, 0:15 left"


def test_a_log_gets_a_line_now_and_then(
    run: Run, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "LINE_EVERY_S", 0.0)
    _, status = run(corpus, "--out", tmp_path / "out")
    assert sum("× real time, " in line for line in status) == 7


@pytest.mark.skipif(os.name != "posix", reason="needs a pseudo terminal")
def test_a_terminal_gets_a_bar(corpus: Path, tmp_path: Path, tiny_bundle: Path) -> None:
    command = [sys.executable, "-m", "ser_rt.batch.cli", str(corpus), "--model", str(tiny_bundle)]
    command += ["--no-vad", "--workers", "1", "--out", str(tmp_path / "out")]
    ours, theirs = os.openpty()
    env = os.environ | {"TERM": "xterm", "COLUMNS": "120"}
    with subprocess.Popen(command, stderr=theirs, env=env) as process:
        os.close(theirs)
        shown = b""
        try:
            while block := os.read(ours, 65_536):
                shown += block
        except OSError:  # Linux says so when the other end is closed
            pass
    os.close(ours)
    assert process.returncode == 0
    assert b"7/7" in shown
    assert "× real time".encode() in shown


def test_a_command_without_its_packages_names_the_extra(
    corpus: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    for name in [name for name in sys.modules if name.startswith("ser_rt.batch.")]:
        if name != "ser_rt.batch.cli":
            monkeypatch.delitem(sys.modules, name)
    assert main([str(corpus), "--out", str(tmp_path / "out")]) == 1
    assert "pip install 'ser-rt[batch]'" in capsys.readouterr().err
