"""`ser-export` with wrong input: one line on standard error, and nothing written."""

from __future__ import annotations

import errno
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from ser_rt.errors import OutputError
from ser_rt.export.__main__ import main, parse_args
from ser_rt.export.settings import ExportSettings
from tests.export.conftest import Export


@pytest.mark.parametrize(
    ("flags", "code", "word"),
    [
        (["--precision", "fp3"], 2, "'fp3'"),
        (["--opset", "16"], 2, "LayerNormalization"),
        (["--opset", "99"], 2, "99"),
        (["--gates", "loose"], 2, "'loose'"),
        (["--window", "0.1"], 2, "0.1"),
        (["--window", "31"], 2, "31"),
        (["--window", "nan"], 2, "nan"),
        (["--temperature", "0"], 2, "temperature"),
        (["--layers", "9"], 2, "2 layers"),
        (["--push-triton", "m", "--triton-backend", "c"], 2, "'c'"),
        (["--data", "none.csv"], 1, "none.csv"),
        (["--evaluation", "none.json"], 2, "none.json"),
    ],
)
def test_a_wrong_flag_is_named(
    flags: list[str],
    code: int,
    word: str,
    wav2vec2: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main([str(wav2vec2), "--out", str(tmp_path / "out"), *flags]) == code
    assert word in capsys.readouterr().err
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
    ("changes", "word"),
    [
        ({"kind": "something"}, "ser-train"),
        ({"head": "random"}, "trained"),
        ({"model": {"emotion_labels": ["Joy", "Sad"]}}, "(Joy, Sad)"),
        ({"model": {"architecture": "conformer"}}, "'conformer'"),
        ({"model": {"encoder_config": {"model_type": "bert"}}}, "'bert'"),
    ],
)
def test_a_folder_that_cannot_be_exported_is_refused(
    changes: dict[str, Any],
    word: str,
    wav2vec2: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = spoil(wav2vec2, tmp_path / "run", **changes)
    assert main([str(folder), "--out", str(tmp_path / "out")]) == 1
    assert word in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == ["run"]


def test_no_checkpoint_and_an_unfinished_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path / "none"), "--out", str(tmp_path / "out")]) == 1
    assert "ser-train" in capsys.readouterr().err
    (tmp_path / "run").mkdir()
    (tmp_path / "run/run.json").write_text("{}")
    assert main([str(tmp_path / "run"), "--out", str(tmp_path / "out")]) == 1
    assert "--resume" in capsys.readouterr().err


def test_a_place_that_cannot_be_written(
    wav2vec2: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    assert main([str(wav2vec2), "--out", str(tmp_path)]) == 1
    assert "no bundle" in capsys.readouterr().err
    assert main([str(wav2vec2), "--out", str(tmp_path / "notes.txt/out")]) == 1
    assert "out" in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == ["notes.txt"]


def test_a_full_disk_and_an_interrupt_leave_nothing(
    wav2vec2: Path, export_once: Export, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("ser_rt.export.files.onnx.save_model", full)
    with pytest.raises(OutputError, match="No space"):
        export_once(wav2vec2, tmp_path / "out")

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.undo()
    monkeypatch.setattr("ser_rt.export.bundle.save_graph", interrupt)
    with pytest.raises(KeyboardInterrupt):
        export_once(wav2vec2, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_the_defaults_are_those_of_the_settings() -> None:
    given = vars(parse_args(["run", "--out", "bundle"]))
    del given["checkpoint"], given["out"], given["temperature_from"]
    assert ExportSettings(**given) == ExportSettings()
