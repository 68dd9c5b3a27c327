"""Files of any name are read by every command, and their names are shown escaped."""

from __future__ import annotations

import csv
import itertools
import json
import os
import unicodedata
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import soundfile

from ser_rt import evaluate, inference
from ser_rt.batch import cli as batch
from ser_rt.commands import stream
from ser_rt.files.names import printable
from ser_rt.testing import LABELS
from ser_rt.trainer import create_trainer
from ser_rt.training.data.corpus import load_directory, load_manifest
from tests.conftest import make_wave
from tests.support.small_training import COMPACT, DATA, training

NAMES = (
    "good.wav",
    os.fsdecode("감정.wav".encode("cp949")),
    os.fsdecode("émotion.wav".encode("latin-1")),
    unicodedata.normalize("NFD", "감정.wav"),
    "2026-11-27T12:30:05.wav",
    "call: 1.wav",
    "two\nlines.wav",
    "\x1b[31mred.wav",
    " spaces .wav",
    "-dash.wav",
    "%d*?[1].wav",
    "x" * 251 + ".wav",
)
SHOWN = [printable(name) for name in NAMES]
"""As every command shows them, in its tables too."""


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    """One folder an emotion, each with clips of all names."""
    seeds = itertools.count()
    for label in LABELS[:2]:
        (tmp_path / "clips" / label).mkdir(parents=True)
        for seed, name in zip(seeds, NAMES, strict=False):
            with (tmp_path / "clips" / label / name).open("wb") as file:
                soundfile.write(file, make_wave(1.2, seed=seed), 16_000, format="WAV")
    return tmp_path / "clips"


@pytest.fixture
def names(clips: Path) -> list[str]:
    return [str(clips / LABELS[0] / name) for name in NAMES]


@pytest.mark.parametrize("form", ["jsonl", "csv", "rttm", "text"])
def test_streams_name_their_files(
    form: str, names: list[str], tmp_path: Path, tiny_bundle: Path
) -> None:
    out = tmp_path / os.fsdecode("결과".encode("cp949"))
    line = ["--model", str(tiny_bundle), "--format", form, "--output", str(out), *names]
    assert stream.main(["--gate-threshold", "0", *line]) == 0
    text = out.read_text(encoding="utf-8")
    if form == "jsonl":
        events = [json.loads(event) for event in text.splitlines()[:-1]]
        named = [Path(event["source"]).name for event in events]
    elif form == "csv":
        named = [Path(row["source"]).name for row in csv.DictReader(text.splitlines())]
    else:
        joined = text.replace(" ", "_")
        shown = {name: name.replace(" ", "_") for name in SHOWN}
        if form == "rttm":  # without the suffix
            shown = {name: part.removesuffix(".wav") for name, part in shown.items()}
        named = [name for name in SHOWN if shown[name] in joined]
    assert list(dict.fromkeys(named)) == SHOWN


def test_the_saved_input_may_have_any_name(
    names: list[str], tmp_path: Path, tiny_bundle: Path
) -> None:
    saved = (tmp_path / NAMES[1]).with_suffix(".flac")
    line = ["--model", str(tiny_bundle), "--save-input", str(saved), names[1]]
    assert stream.main(["--output", str(tmp_path / "out"), *line]) == 0
    assert saved.read_bytes().startswith(b"fLaC")


def test_predictions_name_their_files(
    clips: Path,
    tmp_path: Path,
    tiny_bundle: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (clips / LABELS[0] / "broken\udcff\n.wav").write_text("no audio")
    line = ["--model_path", str(tiny_bundle), "--output_path", str(tmp_path / NAMES[1])]
    line += ["--gate-threshold", "0"]
    assert inference.main([*line, "--directory", str(clips / LABELS[0])]) == 0
    found = json.loads((tmp_path / NAMES[1]).read_text(encoding="utf-8"))["predictions"]
    good = [Path(row["audio_path"]).name for row in found if row["status"] == "success"]
    assert sorted(good) == sorted(SHOWN)
    error = capsys.readouterr().err
    assert "broken\\udcff\\n.wav" in error
    assert error.count("\n") == 1
    assert inference.main([*line, "--audio_path", str(clips / LABELS[0] / NAMES[1])]) == 0


@pytest.mark.parametrize("form", [str, printable])
def test_evaluations_name_their_clips(
    form: Callable[[str], str], clips: Path, tmp_path: Path, tiny_bundle: Path
) -> None:
    pytest.importorskip("matplotlib")
    out = tmp_path / NAMES[1]
    line = ["--model_path", str(tiny_bundle), "--no_stress", "--output_dir", str(out)]
    assert evaluate.main([*line, "--data_dir", str(clips)]) == 0
    found = json.loads((out / "evaluation.json").read_text(encoding="utf-8"))
    assert found["overall"]["clips"] == 2 * len(NAMES)
    assert {Path(row["path"]).name for row in found["predictions"]} == set(SHOWN)
    manifest = tmp_path / "m.csv"
    names = SHOWN if form is printable else [n for n in NAMES if n < "\udc80" or n.isascii()]
    with manifest.open("w", encoding="utf-8", newline="") as file:
        rows = [(f"clips/{LABELS[0]}/{name}", LABELS[0]) for name in names]
        csv.writer(file).writerows([("file_path", "emotion"), *rows])
    assert evaluate.main([*line, "--manifest", str(manifest)]) == 0
    found = json.loads((out / "evaluation.json").read_text(encoding="utf-8"))
    assert (found["overall"]["clips"], found["failed"]) == (len(names), {})


@pytest.mark.usefixtures("small_and_alone")
def test_a_run_lists_its_clips_so_that_they_are_found_again(clips: Path, tmp_path: Path) -> None:
    how = training(tmp_path / "run", num_epochs=1)
    model = replace(COMPACT, emotion_labels=LABELS[:2])
    create_trainer(model, how, replace(DATA, val_share=0.0)).train(
        load_directory(clips, LABELS[:2])
    )
    again = load_manifest(tmp_path / "run" / "split.csv", LABELS)
    assert {clip.path for clip in again} == {clips / e / name for e in LABELS[:2] for name in NAMES}


@pytest.mark.parametrize("out", ["out", NAMES[1], "call: 1", "s3:x", "two\nlines"])
def test_a_batch_writes_into_a_folder_of_any_name(
    out: str, clips: Path, tmp_path: Path, tiny_bundle: Path
) -> None:
    line = [str(clips), "--out", str(tmp_path / out), "--model", str(tiny_bundle), "--workers", "1"]
    assert batch.main(line) == 0
    assert batch.main([*line, "--retry-errors"]) == 0
    with next((tmp_path / out / "files").glob("*.parquet")).open("rb") as file:
        rows = pq.read_table(file).to_pylist()
    assert {Path(row["path"]).name for row in rows} == set(SHOWN)
    assert not any(row["error_code"] for row in rows)
