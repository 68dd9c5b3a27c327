"""`ser-export` with wrong input: one line that says what to do, and nothing written."""

from __future__ import annotations

import errno
import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ser_rt.errors import OutputError
from ser_rt.export.__main__ import main, parse_args
from tests.export.conftest import Export


@pytest.mark.parametrize(
    ("flags", "code", "words"),
    [
        (["--precision", "fp3"], 1, "no precision 'fp3'; there are fp32, fp16, int8"),
        (["--opset", "16"], 2, "no opset 16: LayerNormalization came with 17"),
        (["--opset", "99"], 2, "no opset 99: there are 18 to 23"),
        (["--gates", "loose"], 2, "gates must be strict or report"),
        (["--window", "0.1"], 2, "window must be 0.5 to 30 s, not 0.1"),
        (["--window", "31"], 2, "window must be 0.5 to 30 s, not 31"),
        (["--window", "nan"], 2, "window must be"),
        (["--temperature", "0"], 2, "temperature must be greater than 0"),
        (["--layers", "9"], 2, "cannot keep 9 layers: wav2vec2 has 2 layers"),
        (["--triton-backend", "c"], 2, "no Triton backend 'c'; there are onnxruntime, python"),
        (["--data", "none.csv"], 1, "cannot read manifest none.csv"),
        (["--evaluation", "none.json"], 2, "cannot read --evaluation"),
    ],
)
def test_a_wrong_flag_is_told(
    flags: list[str],
    code: int,
    words: str,
    wav2vec2: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main([str(wav2vec2), "--out", str(tmp_path / "out"), *flags]) == code
    assert words in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def spoil(checkpoint: Path, folder: Path, **changes: Any) -> Path:
    shutil.copytree(checkpoint, folder)
    config = json.loads((folder / "config.json").read_text())
    model = changes.pop("model", {})
    config |= changes
    config["model"] |= model
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"kind": "something"}, "was not written by ser-train"),
        ({"head": "random"}, "was never trained"),
        ({"model": {"emotion_labels": ["Joy", "Sad"]}}, "names 2 emotions (Joy, Sad), but the"),
        ({"model": {"architecture": "conformer"}}, "unknown architecture 'conformer'"),
        ({"model": {"encoder_config": {"model_type": "bert"}}}, "model_type 'bert'"),
    ],
)
def test_a_folder_that_cannot_be_exported_is_told(
    changes: dict[str, Any],
    words: str,
    wav2vec2: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = spoil(wav2vec2, tmp_path / "run", **changes)
    assert main([str(folder), "--out", str(tmp_path / "out")]) == 1
    assert words in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == ["run"]


def test_no_checkpoint_and_an_unfinished_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path / "none"), "--out", str(tmp_path / "out")]) == 1
    assert "give the folder that ser-train wrote" in capsys.readouterr().err
    (tmp_path / "run").mkdir()
    (tmp_path / "run/run.json").write_text("{}")
    assert main([str(tmp_path / "run"), "--out", str(tmp_path / "out")]) == 1
    assert "has not ended: go on with ser-train --resume" in capsys.readouterr().err


def test_a_place_that_cannot_be_written(
    wav2vec2: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    assert main([str(wav2vec2), "--out", str(tmp_path)]) == 1
    assert "holds files that are no bundle" in capsys.readouterr().err
    assert main([str(wav2vec2), "--out", str(tmp_path / "notes.txt/out")]) == 1
    assert "cannot be written" in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == ["notes.txt"]


def test_a_full_disk_and_an_interrupt_leave_nothing(
    wav2vec2: Path, export_once: Export, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("ser_rt.export.files.onnx.save_model", full)
    with pytest.raises(OutputError, match=r"cannot be written: .* No space left"):
        export_once(wav2vec2, tmp_path / "out")

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.undo()
    monkeypatch.setattr("ser_rt.export.bundle.save_graph", interrupt)
    with pytest.raises(KeyboardInterrupt):
        export_once(wav2vec2, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM to catch")
def test_a_termination_leaves_nothing(wav2vec2: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = [sys.executable, "-m", "ser_rt.export", str(wav2vec2), "--out", str(out)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=tmp_path) as process:
        assert process.stderr is not None
        while "heard" not in (line := process.stderr.readline()):
            assert line, "it ended too soon"
        assert [path.name[:5] for path in tmp_path.iterdir()] == [".out."]
        process.send_signal(signal.SIGTERM)
        rest = process.communicate()[1]
    assert process.returncode == 143
    assert "Traceback" not in rest
    assert list(tmp_path.iterdir()) == []


def test_every_flag_has_its_default() -> None:
    args = parse_args(["run", "--out", "bundle"])
    assert (args.precision, args.window, args.opset, args.gates) == ("fp32", 3.0, 20, "strict")
