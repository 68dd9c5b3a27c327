"""Figures from labels and probabilities alone."""

from __future__ import annotations

import json

import numpy as np
import pytest

from ser_rt.evaluation import metrics
from ser_rt.evaluation.report import to_text
from ser_rt.evaluation.scores import (
    Evaluation,
    calibrate,
    distinct_speakers,
    score,
    score_groups,
    temper,
    uar_by_dataset,
)

LABELS = ("Neutral", "Angry", "Joy")


def test_a_class_without_clips_is_in_no_mean_and_is_named() -> None:
    true, predicted = np.array([0, 0, 1, 1]), np.array([0, 2, 1, 1])
    overall = score(true, predicted, LABELS, intervals=False)
    assert overall.uar == 0.75
    assert overall.speakers == 0
    assert overall.interval_clips is None
    probabilities = np.eye(3, dtype=np.float32)[predicted]
    found = Evaluation(LABELS, overall, calibrate(true, probabilities))
    text = to_text(found)
    assert "Without a clip, and so in no mean: Joy." in text
    assert all(len(line) <= 120 for line in text.splitlines())


def test_groups_leave_unknown_values_out() -> None:
    true = np.array([0, 1, 0, 1])
    groups = {"speaker": ["a", "a", "b", "b"], "gender": ["f", "f", "", ""]}
    scores = score_groups(true, true, LABELS, groups)
    assert set(scores["speaker"]) == {"a", "b"}
    assert set(scores["gender"]) == {"f"}
    assert scores["gender"]["f"].speakers == 1
    assert uar_by_dataset(true, true, ["x", "x", "", ""]) == {"all": 1.0, "x": 1.0}


def test_temperature_scaling_repairs_confidence() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 1.5, (4000, 3))
    true = (temper(logits, 1.0).cumsum(axis=1) > rng.random((4000, 1))).argmax(axis=1)
    overconfident = temper(logits, 1 / 3).astype(np.float32)
    speakers = [f"s{i % 7}" for i in range(4000)]
    for groups, how in ((speakers, "speaker"), (None, "clip")):
        found = calibrate(true, overconfident, groups)
        assert found.folds_by == how
        assert found.temperature == pytest.approx(3, rel=0.1)
        assert found.ece_after is not None
        assert found.nll_after is not None
        assert found.ece_after < found.ece / 3
        assert found.nll_after < found.nll


def test_everything_goes_into_json() -> None:
    true = np.array([0, 1])
    found = Evaluation(LABELS, score(true, true, LABELS), calibrate(true, np.eye(3)[true]))
    assert json.loads(json.dumps(found.to_dict()))["overall"]["uar"] == 1.0


def test_whom_nobody_knows_is_no_speaker_and_names_of_two_corpora_are_two() -> None:
    rng = np.random.default_rng(0)
    true = rng.integers(0, 2, 80)
    predicted = np.where(rng.random(80) < 0.7, true, 1 - true)
    speakers = [f"{i % 4}" if i < 40 else "" for i in range(80)]
    found = score(true, predicted, ("a", "b"), speakers, ["x"] * 40 + ["y"] * 40)
    assert found.speakers == 4
    assert found.interval_speakers is not None
    assert found.interval_clips is not None
    alone = score(true, predicted, ("a", "b"), [""] * 80)
    assert (alone.speakers, alone.interval_speakers) == (0, None)
    names = distinct_speakers(["1", "1", "2", ""], ["x", "y", "y", "y"])
    assert names == ["x/1", "y/1", "2", ""]


@pytest.mark.parametrize("right", [True, False])
def test_a_few_clips_that_are_all_right_make_no_model_endlessly_sure(
    right: bool,  # noqa: FBT001 (a parameter)
) -> None:
    true = np.array([0, 1, 0])
    logits = np.log([[0.8, 0.2], [0.2, 0.8], [0.7, 0.3]])
    found = metrics.fit_temperature(true if right else 1 - true, logits)
    assert found == 1.0 if right else found > 10
