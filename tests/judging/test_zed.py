"""Recordings with times, as SpeechBrain's recipe reads them; unfit ones are counted by reason."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ser_rt.errors import DataError
from ser_rt.judging.measures import measure
from ser_rt.judging.truth import LabelledStream, Omissions, Segment
from ser_rt.judging.zed import read_zed
from tests.judging.conftest import answers
from tests.support.tones import RATE, write_tone

LABELS = ("Neutral", "Angry", "Joy")


def recording(**changes: Any) -> dict[str, Any]:
    emotion = [{"emo": "happy", "start": 0.5, "end": 1.5}]
    return {"wav": "datafolder/one.wav", "duration": 2.0, "emotion": emotion} | changes


def read(folder: Path, content: object, omissions: Omissions) -> list[LabelledStream]:
    write_tone(folder / "one.wav", "Joy", 2.0)
    (folder / "ZED.json").write_text(json.dumps(content), encoding="utf-8")
    return list(read_zed(folder / "ZED.json", RATE, LABELS, omissions))


def test_what_has_no_label_is_neutral(tmp_path: Path) -> None:
    (stream,) = read(tmp_path, {"spk1_1": recording(duration="2.0")}, Omissions())
    assert stream.name == "spk1_1"
    assert len(stream.samples) == 2 * RATE
    assert stream.duration_s == 2.0
    assert stream.segments == (
        Segment(0.0, 0.5, "Neutral"),
        Segment(0.5, 1.5, "Joy"),
        Segment(1.5, 2.0, "Neutral"),
    )


def test_a_label_may_fill_a_recording_and_there_may_be_several(tmp_path: Path) -> None:
    both = [{"emo": "angry", "start": 1, "end": 2}, {"emo": "h", "start": 0, "end": 1}]
    (stream,) = read(tmp_path, {"x": recording(emotion=both)}, Omissions())
    assert stream.segments == (Segment(0, 1, "Joy"), Segment(1, 2, "Angry"))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"wav": "datafolder/gone.wav"}, "cannot be read"),
        ({"wav": None}, "path under wav"),
        ({"duration": "long"}, "no seconds"),
        ({"emotion": "happy"}, "list under emotion"),
        ({"emotion": [{"emo": "happy"}]}, "no seconds"),
        ({"emotion": [{"emo": 3, "start": 0, "end": 1}]}, "without emo"),
        ({"emotion": [{"emo": "sad", "start": 0, "end": 1}]}, "the model lacks: Sad"),
        ({"emotion": [{"emo": "happy", "start": 1.5, "end": 2.5}]}, "outside"),
        (
            {"emotion": [{"emo": e, "start": s, "end": 2} for e, s in (("h", 0), ("a", 1))]},
            "overlap",
        ),
    ],
)
def test_unfit_recordings_are_counted(tmp_path: Path, changes: dict[str, Any], reason: str) -> None:
    omissions = Omissions()
    content = {"good": recording(), "bad": recording(**changes), "worse": recording(**changes)}
    assert [s.name for s in read(tmp_path, content, omissions)] == ["good"]
    ((why, count),) = omissions.counts.items()
    assert reason in why
    assert count == 2


@pytest.mark.parametrize("content", [[], {}, {"bad": recording(emotion=[{}])}, "text"])
def test_a_file_without_a_recording_is_refused(tmp_path: Path, content: object) -> None:
    with pytest.raises(DataError, match=r"ZED\.json"):
        read(tmp_path, content, Omissions())


def test_no_file_and_no_json_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot read"):
        list(read_zed(tmp_path / "gone.json", RATE, LABELS, Omissions()))
    (tmp_path / "ZED.json").write_text("{", encoding="utf-8")
    with pytest.raises(DataError, match="as JSON"):
        list(read_zed(tmp_path / "ZED.json", RATE, LABELS, Omissions()))


def test_a_model_without_neutral_takes_recordings_that_labels_fill(tmp_path: Path) -> None:
    write_tone(tmp_path / "one.wav", "Joy", 2.0)
    whole = recording(emotion=[{"emo": "happy", "start": 0, "end": 2}])
    early = recording(emotion=[{"emo": "happy", "start": 0.5, "end": 2}])
    content = json.dumps({"whole": whole, "early": early})
    (tmp_path / "ZED.json").write_text(content, encoding="utf-8")
    labels, omissions = ("Angry", "Joy"), Omissions()
    (stream,) = read_zed(tmp_path / "ZED.json", RATE, labels, omissions)
    assert stream.name == "whole"
    assert list(omissions.counts) == ["recordings with an emotion that the model lacks: Neutral"]
    measures = measure(stream, answers((1.0, "Joy"), (2.0, "")), labels)
    assert measures.eder == pytest.approx(0.5)
