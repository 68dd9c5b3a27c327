"""What a bundle says about itself: notice, licences, and the temperature of left-out corpora."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from ser_rt.bundle import Bundle
from ser_rt.errors import ConfigError
from ser_rt.export.__main__ import main
from ser_rt.export.licence import WHISPER_FILE, licence_of, notices
from ser_rt.export.settings import ExportSettings
from tests.export.conftest import LABELS, TRAINING, Export, large_shape


def report(path: Path) -> Path:
    """An evaluation of a model that is as sure when it is wrong as when it is right."""
    rows = [
        {"path": f"{i}.wav", "true": true, "dataset": "d", "probabilities": sure("Joy")}
        for i, true in enumerate(("Joy", "Joy", "Angry"))
    ]
    path.write_text(json.dumps({"labels": LABELS, "temperature": 1.0, "predictions": rows}))
    return path


def sure(emotion: str) -> dict[str, float]:
    return {label: 0.98 if label == emotion else 0.01 for label in LABELS}


def test_the_temperature_of_left_out_corpora_and_a_notice(
    wav2vec2: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = [str(wav2vec2), "--out", str(tmp_path / "out"), "--notice", "한국어 only. Be kind."]
    line += ["--temperature-from", str(report(tmp_path / "evaluation.json"))]
    assert main(line) == 0, capsys.readouterr().err
    bundle = Bundle.load(tmp_path / "out")
    assert bundle.notice == "한국어 only. Be kind."
    # Two of three are right: the temperature makes the confidence 2/3 (Guo et al., equation 9).
    assert bundle.temperature == pytest.approx(3.3, rel=0.05)
    judged = bundle.evaluation["left_out_corpora"]
    assert judged["temperature"] == bundle.temperature
    assert judged["corpora"]["d"]["clips"] == 3


def test_one_temperature_at_most(
    wav2vec2: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = [str(wav2vec2), "--out", str(tmp_path / "out"), "--temperature-from", "none.json"]
    with pytest.raises(SystemExit):
        main([*line, "--temperature", "2"])
    assert main(line) == 1
    assert "none.json" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("notice", ["", " ", "two\nlines", "\x1b[31mred", "long" * 200])
def test_a_notice_is_a_line(notice: str) -> None:
    with pytest.raises(ConfigError, match="notice"):
        ExportSettings(notice=notice)


def test_without_a_notice_there_is_none(wav2vec2: Path, export_once: Export) -> None:
    folder = export_once(wav2vec2)
    assert "notice" not in json.loads((folder / "manifest.json").read_text())
    assert Bundle.load(folder).notice is None
    assert WHISPER_FILE not in {path.name for path in folder.iterdir()}


def test_weights_that_started_from_whisper_keep_its_licence() -> None:
    whisper = replace(large_shape(), architecture="whisper", model_name="openai/whisper-base")
    assert "Copyright (c) 2022 OpenAI" in notices(whisper)[WHISPER_FILE]
    assert WHISPER_FILE in licence_of(TRAINING, whisper)["encoder"]
    for other in (large_shape(), replace(whisper, model_name="")):
        assert notices(other) == {}
        assert "encoder" not in licence_of(TRAINING, other)
