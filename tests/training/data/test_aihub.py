from __future__ import annotations

from pathlib import Path

import pytest
import soundfile

from ser_rt.audio.processing import read_audio
from ser_rt.constants import EMOTIONS
from ser_rt.errors import DataError
from ser_rt.training.data.aihub import emotion_of, load_aihub, main
from ser_rt.training.data.corpus import load_manifest
from tests.conftest import make_wave

SPOKEN = "오늘은, 어디로 가나요?"


def write_actor(folder: Path, actor: str, labels: list[str], encoding: str = "utf-8") -> Path:
    """Write an actor's script, and recordings at 48 kHz beside it."""
    lines = []
    (folder / actor / "wav").mkdir(parents=True)
    for number, label in enumerate(labels, start=1):
        name = f"{actor}_{number:06}"
        lines += [f"{name} {label}", f"{SPOKEN} {number}", "오느른 어디로", "o neu reun"]
        wave = make_wave(0.4, 48_000, seed=number)
        soundfile.write(folder / actor / "wav" / f"{name}.wav", wave, 48_000)
    script = folder / actor / "script.txt"
    script.write_text("\n".join(lines) + "\n", encoding=encoding)
    return script


def test_a_tree_of_actors_becomes_a_manifest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_actor(tmp_path, "F0001", [*(name.upper() for name in EMOTIONS), "UNPLEASURE"])
    write_actor(tmp_path, "M0002", ["URRY", "ESITATE", "SY", "NEUTRAL"], encoding="cp949")
    assert main([str(tmp_path), "--out", str(tmp_path / "m.csv")]) == 0
    assert "19 clips of 2 speakers" in capsys.readouterr().err
    clips = load_manifest(tmp_path / "m.csv", tuple(EMOTIONS))
    first, rest = clips[:15], clips[15:]
    assert [clip.emotion for clip in first] == list(EMOTIONS)
    assert [clip.emotion for clip in rest] == ["Hurry", "Hesitate", "Shy", "Neutral"]
    assert {clip.speaker for clip in first} == {"aihub637_F0001"}
    assert {(c.gender, c.language, c.dataset) for c in rest} == {("m", "ko", "aihub637")}
    assert clips[1].sentence == f"{SPOKEN} 2"
    assert clips[15].sentence == f"{SPOKEN} 1"
    assert read_audio(clips[0].path).size == pytest.approx(0.4 * 16_000, abs=2)


@pytest.mark.parametrize("label", [*EMOTIONS, "UNPLEASURE"])
def test_a_label_that_lost_a_letter_is_restored(label: str) -> None:
    assert emotion_of(label.lower()).upper() == label.upper()
    for i in range(len(label)):
        assert emotion_of(label[:i] + label[i + 1 :]).upper() == label.upper()


def test_what_does_not_fit_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(DataError, match=r"no script\.txt under"):
        load_aihub(tmp_path)
    script = write_actor(tmp_path, "F0001", ["JOY", "BORED"])
    with pytest.raises(DataError, match=r"script\.txt line 5: label 'BORED' is none of NEUTRAL"):
        load_aihub(tmp_path)
    script.write_text("F0001_000001 JOY\na\nb\nc\nF0001_000001 SAD\na\nb\nc\n")
    with pytest.raises(DataError, match="F0001_000001 is Joy and Sad"):
        load_aihub(tmp_path)
    script.write_text("F0001_000001 JOY\na\nb\nc\nF0001_000009 JOY\na\nb\nc\n")
    assert len(load_aihub(tmp_path)) == 1
    assert "1 utterances have no recording, such as F0001_000009" in caplog.text
    script.write_text("F0001_000009 JOY\na\nb\nc\n")
    with pytest.raises(DataError, match="no recording of an utterance under"):
        load_aihub(tmp_path)
