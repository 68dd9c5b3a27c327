"""Other voices of known speakers: clips resampled by a fifth or a quarter, and their manifest.

    python -m benchmarks.quality.voices CORPUS runs/voices

A network knows the speakers of its training better than others, so settings that are tuned on them
are too daring. A voice that is played a quarter faster, and so higher, is another speaker's:
speaker recognition counts such copies as new ones (Yamamoto et al., INTERSPEECH 2019). Women become
lower (0.8), men higher (1.25). ``tune.csv`` has the clips as they are and the others, whose
datasets end in ``-shifted``.
"""

from __future__ import annotations

import argparse
import csv
import io
import random
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import soundfile
import soxr

from ser_rt.audio.processing import read_audio
from ser_rt.cli.arguments import Parser
from ser_rt.cli.process import EXIT_OK, run_command, tell
from ser_rt.constants import SAMPLE_RATE
from ser_rt.errors import DataError
from ser_rt.files.names import printable
from ser_rt.files.text import read_text
from ser_rt.files.writing import write_text

SPEED = {"m": 1.25, "f": 0.8}
LABELS = ("Neutral", "Angry", "Joy", "Sad", "Surprise", "Fear")
SAME = {("indian-emospeech", "Calm"): "Neutral"}
FEWEST_CLIPS, MOST_SPEAKERS, MOST_TAKES = 10, 20, 15
"""Of a speaker; of a dataset, those with most clips; of a speaker in an emotion."""

COLUMNS = ("file", "emotion", "speaker", "dataset", "language", "gender", "suggested_split")

Row = Mapping[str, str]


def main(argv: Sequence[str] | None = None) -> int:
    """Write the clips and the manifest; return 0, 1 (failed) or 2 (usage)."""
    return run_command("voices", lambda: _write(_parse(argv)))


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = Parser(prog="voices", description="Make other voices of known speakers.")
    parser.add_argument("corpus", type=Path, help="folder with a manifest.csv")
    parser.add_argument("folder", type=Path, help="where clips and tune.csv go")
    return parser.parse_args(argv)


def _write(options: argparse.Namespace) -> int:
    path = options.corpus / "manifest.csv"
    reader = csv.DictReader(read_text(path).splitlines())
    if missing := set(COLUMNS) - set(reader.fieldnames or ()):
        msg = f"{printable(path)} has no column {', '.join(sorted(missing))}"
        raise DataError(msg)
    rows = [row for row in reader if row["suggested_split"] == "train"]
    known = _known(rows)
    options.folder.mkdir(parents=True, exist_ok=True)
    shifted = list(_shifted(rows, known, options.corpus, options.folder))
    if not shifted:
        msg = f"{printable(path)} has no speaker with {FEWEST_CLIPS} clips to train on"
        raise DataError(msg)
    table = io.StringIO(newline="")
    writer = csv.DictWriter(table, list(shifted[0]))
    writer.writeheader()
    writer.writerows([*shifted, *_as_they_are(rows, known, options.corpus)])
    write_text(options.folder / "tune.csv", table.getvalue())
    tell(f"voices: wrote {printable(options.folder / 'tune.csv')}")
    return EXIT_OK


def _known(rows: Sequence[Row]) -> set[str]:
    """Return the speakers with enough clips."""
    counts = Counter(row["speaker"] for row in rows)
    chosen: set[str] = set()
    for dataset in {row["dataset"] for row in rows}:
        own = sorted({row["speaker"] for row in rows if row["dataset"] == dataset})
        enough = [one for one in own if counts[one] >= FEWEST_CLIPS]
        chosen |= set(sorted(enough, key=lambda one: -counts[one])[:MOST_SPEAKERS])
    return chosen


def _shifted(
    rows: Sequence[Row], known: set[str], corpus: Path, folder: Path
) -> Iterator[dict[str, str]]:
    order = list(rows)
    random.Random(0).shuffle(order)  # noqa: S311 (no secret)
    takes: Counter[tuple[str, str]] = Counter()
    number = 0
    for row in order:
        speaker, emotion = row["speaker"], _emotion(row)
        takes[speaker, emotion] += 1
        if speaker not in known or emotion not in LABELS or takes[speaker, emotion] > MOST_TAKES:
            continue
        path = folder / f"{row['dataset']}-{number}.flac"
        number += 1
        samples = read_audio(corpus / row["file"], SAMPLE_RATE)
        speed = SPEED.get(row["gender"]) or (1.25 if sum(map(ord, speaker)) % 2 else 0.8)
        other = soxr.resample(samples, SAMPLE_RATE * speed, SAMPLE_RATE)
        soundfile.write(path, np.clip(other, -1, 1), SAMPLE_RATE)
        yield _entry(path, emotion, f"{speaker}_x", f"{row['dataset']}-shifted", row["language"])


def _as_they_are(rows: Sequence[Row], known: set[str], corpus: Path) -> Iterator[dict[str, str]]:
    datasets = {row["dataset"] for row in rows if row["speaker"] in known}
    for row in rows:
        emotion = _emotion(row)
        if row["dataset"] in datasets and emotion in LABELS:
            path = corpus / row["file"]
            yield _entry(path, emotion, row["speaker"], row["dataset"], row["language"])


def _emotion(row: Row) -> str:
    return SAME.get((row["dataset"], row["emotion"]), row["emotion"])


def _entry(path: Path, emotion: str, speaker: str, dataset: str, language: str) -> dict[str, str]:
    return {
        "file_path": str(path.resolve()),
        "emotion": emotion,
        "speaker": speaker,
        "dataset": dataset,
        "language": language,
        "split": "tune",
    }


if __name__ == "__main__":
    sys.exit(main())
