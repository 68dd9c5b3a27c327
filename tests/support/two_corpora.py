"""Two small corpora in one manifest, split by speaker."""

from __future__ import annotations

import csv
from pathlib import Path

import soundfile

from tests.support.pulses import RATE, RHYTHM_HZ, pulses

DATASETS = {"first": (0, 1, 2), "second": (3, 4, 5)}
"""Speakers of each; the last one is judged."""
TAKES = 4


def write_two_corpora(folder: Path, *, shared_speaker: bool = False) -> Path:
    """Write clips and `manifest.csv`; returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for dataset, speakers in DATASETS.items():
        for speaker in speakers:
            for emotion in RHYTHM_HZ:
                for take in range(TAKES):
                    name = f"{speaker}_{emotion}_{take}.wav"
                    soundfile.write(folder / name, pulses(emotion, speaker, take), RATE)
                    split = "val" if speaker == speakers[-1] else "train"
                    said = 0 if shared_speaker else speaker
                    rows.append([name, emotion, f"s{said}", dataset, split])
    with (folder / "manifest.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file_path", "emotion", "speaker", "dataset", "split"])
        writer.writerows(rows)
    return folder
