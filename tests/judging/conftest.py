"""A corpus of tones, its streams, and answers written by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from ser_rt.judging.conditions import Conditions
from ser_rt.judging.lanes import Answer
from ser_rt.judging.protocol import Protocol, make_streams
from ser_rt.judging.truth import LabelledStream, Omissions
from ser_rt.training.data.corpus import Clip, read_manifest
from tests.support.tones import PITCH_HZ, RATE, write_tone

TAKES_S = (1.4, 2.0, 2.6)


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two datasets; in each two speakers of all emotions, one of a single clip, one of none."""
    folder = tmp_path_factory.mktemp("tones")
    lines = ["file_path,emotion,speaker,dataset,language,split"]
    for dataset in "ab":
        for speaker in (f"{dataset}1", f"{dataset}2"):
            for emotion in PITCH_HZ:
                for take, seconds in enumerate(TAKES_S):
                    name = f"{speaker}_{emotion}_{take}.wav"
                    write_tone(folder / name, emotion, seconds)
                    lines.append(f"{name},{emotion},{speaker},{dataset},ko,val")
        for name, speaker in ((f"{dataset}3.wav", f"{dataset}3"), (f"{dataset}_.wav", "")):
            write_tone(folder / name, "Joy", 2.0)
            lines.append(f"{name},Joy,{speaker},{dataset},ko,val")
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def clips(corpus: Path) -> list[Clip]:
    return read_manifest(corpus / "manifest.csv")


Make = Callable[..., list[LabelledStream]]


@pytest.fixture(scope="session")
def make(clips: Sequence[Clip]) -> Make:
    """Make streams of the corpus: ``make(per_dataset=4, seed=0, loudness="equal")``."""

    def streams(
        per_dataset: int = 4,
        seed: int = 0,
        omissions: Omissions | None = None,
        **conditions: object,
    ) -> list[LabelledStream]:
        protocol = Protocol(per_dataset=per_dataset, seed=seed)
        left_out = Omissions() if omissions is None else omissions
        how = Conditions(**conditions)  # type: ignore[arg-type]  # settings by name
        return list(make_streams(clips, RATE, protocol, how, left_out))

    return streams


def answers(*spans: tuple[float, str]) -> list[Answer]:
    """Answers by when they come and what they name, each over the time since the one before."""
    found, last_s = [], 0.0
    for end_s, emotion in spans:
        found.append(
            Answer(
                start_s=last_s,
                end_s=end_s,
                emotion=emotion,
                likeliest=emotion or "",
                confidence=0.8 if emotion else 0.0,
                heard_s=min(end_s, 3.0),
                computed_ms=7.0,
            )
        )
        last_s = end_s
    return found
