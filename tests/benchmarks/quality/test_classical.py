from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from ser_rt.benchmarks.quality.classical import (
    METHODS,
    Choice,
    Method,
    Rows,
    TrainingSet,
    train_and_classify,
)
from ser_rt.errors import DataError
from ser_rt.training.data.corpus import Clip

LABELS = ("Neutral", "Angry", "Joy")


def clips_of(speakers: int, takes: int = 8, labels: Sequence[str] = LABELS) -> list[Clip]:
    return [
        Clip(Path(f"{speaker}{label}{take}"), label, speaker=f"s{speaker}", dataset="d")
        for speaker in range(speakers)
        for label in labels
        for take in range(takes)
    ]


def rows_of(clips: Sequence[Clip], spread: float = 0.5, seed: int = 0) -> Rows:
    """Two features that tell the emotions apart, and one that does not."""
    rng = np.random.default_rng(seed)
    places = {"Neutral": (0, 0), "Angry": (3, 0), "Joy": (0, 3)}
    centres = np.array([(*places[clip.emotion], 0) for clip in clips], float)
    rows: Rows = centres + spread * rng.standard_normal(centres.shape)
    return rows


@pytest.mark.parametrize("name", METHODS)
def test_what_can_be_told_apart_is(name: str) -> None:
    clips, tests = clips_of(4), clips_of(2)
    tested = rows_of(tests, seed=1)
    found = train_and_classify(METHODS[name], clips, rows_of(clips), tested, LABELS)
    right = [LABELS.index(clip.emotion) for clip in tests]
    assert np.mean(found.probabilities.argmax(axis=1) == right) > 0.9
    assert found.probabilities.sum(axis=1) == pytest.approx(1)
    assert found.held_out_uar > 0.9
    assert found.choice in METHODS[name].choices


@pytest.mark.parametrize("name", METHODS)
def test_confidence_is_low_where_nothing_can_be_told(name: str) -> None:
    clips = clips_of(4, takes=12)
    noise = np.random.default_rng(2).standard_normal((len(clips), 3))
    found = train_and_classify(METHODS[name], clips, noise, noise[::-1].copy(), LABELS)
    assert found.probabilities.max(axis=1).mean() < 0.55


@pytest.mark.parametrize("name", METHODS)
def test_a_feature_that_is_undefined_or_huge_decides_nothing(name: str) -> None:
    clips, tests = clips_of(4), clips_of(2)
    rows, tested = rows_of(clips), rows_of(tests, seed=1)
    rows[::5, 2] = np.nan
    tested[:, 2] = [np.nan, np.inf, 1e30] * (len(tests) // 3)
    found = train_and_classify(METHODS[name], clips, rows, tested, LABELS)
    right = [LABELS.index(clip.emotion) for clip in tests]
    assert np.mean(found.probabilities.argmax(axis=1) == right) > 0.8


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("labels", [LABELS[:2], LABELS[1:]])
def test_an_emotion_that_nothing_was_trained_on_is_the_least_likely(
    name: str, labels: Sequence[str]
) -> None:
    clips = clips_of(4, labels=labels)
    found = train_and_classify(METHODS[name], clips, rows_of(clips), rows_of(clips), LABELS)
    (absent,) = (i for i, label in enumerate(LABELS) if label not in labels)
    assert set(found.probabilities.argmin(axis=1)) == {absent}


def test_settings_are_chosen_by_speakers_that_were_held_out() -> None:
    clips = clips_of(6)
    speaker = np.array([[float(clip.speaker[1:])] for clip in clips])
    calls = []

    def spy(
        data: TrainingSet, tests: Rows, choices: Sequence[Choice]
    ) -> Iterator[tuple[Choice, Rows]]:
        calls.append((set(data.rows[:, 0].round(6)), set(tests[:, 0].round(6)), len(choices)))
        for choice in choices:
            yield choice, np.tile([choice.cost, 0.0, 0.0], (len(tests), 1))

    method = Method(spy, (Choice("", -1.0), Choice("", 1.0)))
    train_and_classify(method, clips, speaker, speaker[:1], LABELS)
    *folds, (_, _, last) = calls
    assert len(folds) == 3
    for known, held, tried in folds:
        assert (len(known), len(held), tried) == (4, 2, 2)
        # standardised by the same numbers, so equal values are equal speakers
        assert not known & held
    assert last == 1


def test_one_speaker_is_too_few() -> None:
    clips = clips_of(1)
    with pytest.raises(DataError, match="two speakers"):
        train_and_classify(METHODS["SVM"], clips, rows_of(clips), rows_of(clips), LABELS)
