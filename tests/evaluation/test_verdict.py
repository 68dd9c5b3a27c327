"""A report says in words whether the model knows more than guessing."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ser_rt.evaluation.dimensions import Concordance
from ser_rt.evaluation.report import tables, to_html
from ser_rt.evaluation.scores import ClipPrediction, Evaluation, calibrate, score
from ser_rt.evaluation.verdict import is_guessing, verdict_of, wrong
from ser_rt.tables import text_table

LABELS = ("Joy", "Sad", "Angry")


def evaluation(true: list[int], predicted: list[int], **more: object) -> Evaluation:
    ids, answers = np.array(true), np.array(predicted)
    shares = np.full((len(ids), len(LABELS)), 0.1, np.float32)
    shares[np.arange(len(ids)), answers] = 0.8
    predictions = [
        ClipPrediction(f"{i}.wav", LABELS[one], dict(zip(LABELS, row.tolist(), strict=True)))
        for i, (one, row) in enumerate(zip(true, shares, strict=True))
    ]
    return Evaluation(
        LABELS,
        score(ids, answers, LABELS),
        calibrate(ids, shares),
        predictions=predictions,
        **more,  # type: ignore[arg-type]  # fields of several types
    )


def test_guessing_is_called_so() -> None:
    clips = [0, 1, 2] * 10
    told = verdict_of(evaluation(clips, [0] * 30))
    assert told[0] == "UAR 0.33 on 30 clips of 3 emotions, where guessing gives 0.33."
    assert "No better than guessing" in told[1]
    assert told[2] == "100% of the answers are Joy."
    assert told[3] == "Never answered: Sad, Angry."
    assert len(verdict_of(evaluation(clips, clips))) == 1
    assert "of one emotion" in verdict_of(evaluation([0, 0], [0, 1]))[0]


@pytest.mark.parametrize(
    ("uar", "clips", "guesses"), [(0.2, 30, True), (0.4, 6, True), (0.4, 600, False)]
)
def test_few_clips_prove_little(uar: float, clips: int, guesses: bool) -> None:  # noqa: FBT001 (a parameter)
    assert is_guessing(uar, [clips // 4] * 4) is guesses


def test_a_report_begins_with_the_verdict_and_has_what_went_wrong() -> None:
    about = {"model": "mine 1.0", "date": "2026-01-01T00:00:00+00:00", "sha256": "ab"}
    found = evaluation([0, 1, 2] * 10, [0, 1, 1] * 10, about=about)
    names = [table.title for table in tables(found)]
    assert names[0] == "Verdict"
    assert names[-1] == "About"
    text = "\n".join(map(text_table, tables(found)))
    assert "chance" in text
    assert "sha256" in text
    assert [one.predicted for one in wrong(found.predictions)] == ["Sad"] * 10
    table = next(t for t in tables(found) if t.title == "Clips that went wrong")
    assert table.rows[0] == ("2.wav", "Angry", "Sad", "0.80")


def test_a_figure_that_cannot_be_measured_is_a_hyphen() -> None:
    found = evaluation([0, 1], [0, 1], dimensions={"arousal": Concordance(math.nan, 3)})
    table = next(t for t in tables(found) if t.title == "Dimensions")
    assert table.rows == [("arousal", "-", "3")]


def test_a_picture_stands_beside_its_table() -> None:
    found = evaluation([0, 1, 2] * 10, [0, 1, 1] * 10)
    page = to_html(found, {"classes": b"1", "confusion": b"2", "confusion of emodb": b"3"}, "t")
    places = [
        page.index(f'alt="{name}"') for name in ("classes", "confusion", "confusion of emodb")
    ]
    assert page.index("<h2>Classes") < places[0] < page.index("<h2>Confusion") < places[1]
    assert places[2] > page.index("<h2>Calibration")
    assert "prefers-color-scheme: dark" in page


def test_guessing_is_found_where_emotions_are_not_alike_frequent() -> None:
    rng, supports = np.random.default_rng(0), (60, 20, 10, 5, 5)
    recalls = np.array([rng.binomial(n, 0.2, 2_000) / n for n in supports])
    passes = [not is_guessing(float(uar), supports) for uar in recalls.mean(axis=0)]
    assert np.mean(passes) < 0.08
