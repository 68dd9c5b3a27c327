"""Other voices of known speakers: resampled clips beside those that they were made of."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from ser_rt.audio.processing import read_audio
from ser_rt.benchmarks.quality.voices import main
from tests.support.tones import PITCH_HZ, RATE, write_tone

HEAD = "file,emotion,speaker,dataset,language,gender,suggested_split"


def test_men_become_higher_women_lower_and_all_stay_as_they_are_besides(tmp_path: Path) -> None:
    lines = [HEAD]
    for speaker, gender, split in (("a", "m", "train"), ("b", "f", "train"), ("c", "m", "val")):
        for take in range(10):
            name = f"{speaker}{take}.wav"
            write_tone(tmp_path / name, "Joy", 1.0)
            lines.append(f"{name},Joy,{speaker},d,ko,{gender},{split}")
    lines.append("a0.wav,Joy,few,d,ko,m,train")
    (tmp_path / "manifest.csv").write_text("\n".join(lines), encoding="utf-8")
    out = tmp_path / "voices"
    assert main([str(tmp_path), str(out)]) == 0
    with (out / "tune.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["split"] for row in rows} == {"tune"}
    found = {
        (row["speaker"], row["dataset"]): [r for r in rows if r["speaker"] == row["speaker"]]
        for row in rows
    }
    assert {key: len(own) for key, own in found.items()} == {
        ("a_x", "d-shifted"): 10,
        ("b_x", "d-shifted"): 10,
        ("a", "d"): 10,
        ("b", "d"): 10,
        ("few", "d"): 1,
    }
    for speaker, speed in (("a_x", 1.25), ("b_x", 0.8)):
        samples = read_audio(found[speaker, "d-shifted"][0]["file_path"], RATE)
        assert len(samples) == pytest.approx(RATE / speed, abs=2)
        loudest = np.abs(np.fft.rfft(samples)).argmax() * RATE / len(samples)
        assert loudest == pytest.approx(PITCH_HZ["Joy"] * speed, rel=0.02)


@pytest.mark.parametrize(
    ("content", "words"), [("file,emotion\n", "no column"), (HEAD, "no speaker")]
)
def test_an_unfit_manifest_ends_with_1(
    tmp_path: Path, content: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "manifest.csv").write_text(content, encoding="utf-8")
    assert main([str(tmp_path), str(tmp_path / "out")]) == 1
    assert words in capsys.readouterr().err
