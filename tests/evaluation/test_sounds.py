"""False alarms: sounds without words, streamed as any audio is."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest
import soundfile

from ser_rt import evaluate, sample_path, testing
from ser_rt.errors import AudioDecodeError, DataError
from ser_rt.evaluation.sounds import SoundCount, count_alarms, find_sounds
from tests.support.tones import write_tone


@dataclass
class Row:
    type: str
    emotion: str | None = None
    confidence: float | None = None


RESULTS = {
    "dog": [Row("no_speech"), Row("emotion", "Angry", 0.9), Row("emotion", "Joy", 0.5)],
    "rain": [Row("emotion", "Neutral", 0.8), Row("warning"), Row("episode", "Joy", 0.9)],
    "cough": [Row("emotion", "unsure", 0.4)],
}


def stream(path: str) -> Iterable[Row]:
    if path == "broken":
        msg = "broken is not audio"
        raise AudioDecodeError(msg)
    return RESULTS[path]


def test_windows_are_counted_by_category() -> None:
    sounds = {"dog": "animals", "cough": "people", "rain": "outside", "broken": "people"}
    counts, failed = count_alarms(sounds, stream)
    assert counts == {
        "animals": SoundCount(files=1, windows=3, classified=2, named=1, alarms=1),
        "people": SoundCount(files=1, windows=1, classified=1),
        "outside": SoundCount(files=1, windows=1, classified=1, named=1),
    }
    assert failed == {"broken": "broken is not audio"}
    total = sum(counts.values(), SoundCount())
    assert total == SoundCount(3, 5, 4, 2, 1)
    assert total.share(total.alarms) == 0.2
    assert SoundCount().share(0) == 0
    with pytest.raises(DataError, match="broken is not audio"):
        count_alarms({"broken": "people"}, stream)


def test_a_category_is_the_folder(tmp_path: Path) -> None:
    for name in ("dogs/a.wav", "streets/by night/b.wav", "c.wav", "notes.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    found = find_sounds(tmp_path)
    assert set(found.values()) == {"dogs", "streets/by night", tmp_path.name}
    (tmp_path / "empty").mkdir()
    for folder in ("none", "empty"):
        with pytest.raises(DataError, match=folder):
            find_sounds(tmp_path / folder)


def test_the_command_streams_sounds_through_the_speech_gate(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("matplotlib")
    talk, rate = soundfile.read(sample_path(), frames=96_000, dtype="float32")
    sounds = tmp_path / "sounds"
    for name in ("talk", "tones"):
        (sounds / name).mkdir(parents=True)
    soundfile.write(sounds / "talk" / "a.wav", talk, rate)
    write_tone(sounds / "tones" / "b.wav", "Joy", 4.0)
    (sounds / "tones" / "c.wav").write_text("nothing")
    write_tone(tmp_path / "clips" / "Joy" / "d.wav", "Joy")
    line = ["--model_path", str(testing.tiny_bundle(tmp_path / "tiny")), "--no_stress"]
    line += ["--data_dir", str(tmp_path / "clips"), "--output_dir", str(tmp_path / "out")]
    assert evaluate.main([*line, "--sounds", str(sounds)]) == 0
    report = json.loads((tmp_path / "out" / "evaluation.json").read_text(encoding="utf-8"))
    found = {name: SoundCount(**count) for name, count in report["sounds"].items()}
    assert found["tones"] == SoundCount(files=1, windows=7)
    assert found["talk"].windows >= found["talk"].classified > 0
    assert [Path(path).name for path in report["failed"]] == ["c.wav"]
    assert "False alarms" in capsys.readouterr().out
    assert evaluate.main([*line, "--sounds", str(tmp_path / "none")]) == 1
    assert "none" in capsys.readouterr().err
