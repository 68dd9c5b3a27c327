"""Measures of answers written by hand, against figures computed by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ser_rt.judging.confidence import by_speech_heard, named_coverage, risk_against_coverage
from ser_rt.judging.measures import StreamMeasures, measure
from ser_rt.judging.scores import accuracy_since_change, score_streams
from ser_rt.judging.truth import LabelledStream, Segment
from tests.judging.conftest import answers

LABELS = ("Neutral", "Angry", "Joy")
RATE = 1000


def stream(*segments: Segment, length_s: float = 10.0, **how: object) -> LabelledStream:
    labelled_s = sum(s.end_s - s.start_s for s in segments)
    about = {"name": "s", "duration_s": labelled_s, "dataset": "d"} | how
    samples = np.zeros(round(length_s * RATE), np.float32)
    return LabelledStream(samples=samples, sample_rate=RATE, segments=segments, **about)  # type: ignore[arg-type]  # by name


TWO = stream(Segment(0, 5, "Neutral"), Segment(5, 10, "Angry"))


def judged(truth: LabelledStream, *spans: tuple[float, str]) -> StreamMeasures:
    return measure(truth, answers(*spans), LABELS)


def test_delay_runs_from_the_change_to_the_first_right_answer() -> None:
    found = judged(TWO, (2, "Neutral"), (5, "Neutral"), (6, "Neutral"), (7, "Angry"), (10, "Angry"))
    first, change = found.detections
    assert (first.delay_s, first.change.before) == (2, "")
    assert (change.delay_s, change.computed_ms, change.wrong_turns) == (2, 7.0, 0)
    # Said: 5 to 6 is wrong. Shown: nothing to 2, then Neutral to 7, which is 2 s too long.
    assert found.eder == pytest.approx(0.1)
    assert found.eder_shown == pytest.approx(0.4)
    assert found.flicker == 0
    assert found.false_changes == 0


def test_a_change_that_is_never_named_is_missed() -> None:
    found = judged(TWO, (2, "Neutral"), (10, "Neutral"))
    assert found.detections[1].delay_s is None
    score = score_streams([found], intervals=False)
    assert score.figures["missed"] == 1
    assert np.isnan(score.figures["delay_median_s"])


def test_a_third_emotion_is_a_wrong_turn_and_its_coming_and_going_flicker() -> None:
    found = judged(TWO, (2, "Neutral"), (6, "Neutral"), (7, "Joy"), (8, "Angry"), (10, "Angry"))
    assert found.detections[1].wrong_turns == 1
    assert found.detections[1].delay_s == 3
    assert found.flicker == 1  # Joy; Angry is the change noticed


def test_flicker_counts_unsure_too_and_silence_is_none() -> None:
    found = judged(
        TWO, (2, "Neutral"), (3, "unsure"), (4, "Neutral"), (5, ""), (6, "Neutral"), (10, "Angry")
    )
    assert found.flicker == 2
    assert found.unsure_s == pytest.approx(1.0)


def test_another_emotion_in_neutral_speech_is_a_false_change_each_time() -> None:
    truth = stream(Segment(0, 10, "Neutral"))
    found = judged(truth, (1, "Joy"), (2, "Joy"), (3, "Neutral"), (4, "Angry"), (5, "Neutral"))
    assert found.false_changes == 2
    assert score_streams([found], intervals=False).figures["false_changes_per_min"] == 12


def test_the_emotion_before_is_no_false_change_when_it_stays_too_long() -> None:
    truth = stream(Segment(0, 5, "Angry"), Segment(5, 10, "Neutral"))
    assert judged(truth, (4, "Angry"), (6, "Angry"), (7, "Neutral")).false_changes == 0


def test_uar_is_weighted_by_time() -> None:
    # Neutral: 5 of 5 s; Angry: 1 of 5.
    found = judged(TWO, (9, "Neutral"), (10, "Angry"))
    assert score_streams([found], intervals=False).figures["uar"] == pytest.approx((1 + 0.2) / 2)


def test_silence_between_pieces_counts_for_nothing_and_in_recordings_as_neutral() -> None:
    parted = stream(Segment(0, 4, "Angry"), Segment(6, 10, "Angry"))
    said = ((4, "Angry"), (6, "Joy"), (10, "Angry"))
    assert judged(parted, *said).eder == pytest.approx(0)
    recording = stream(Segment(0, 5, "Neutral"), Segment(5, 10, "Angry"), silent_as="Neutral")
    assert judged(recording, (5, ""), (10, "Angry")).eder == pytest.approx(0)


def test_accuracy_since_a_change_rises_when_the_answer_comes() -> None:
    found = judged(TWO, (5, "Neutral"), (6, "Neutral"), (7, "Angry"), (10, "Angry"))
    rows = accuracy_since_change([found])
    assert [row["accuracy"] for row in rows] == [0, 0, 0, 0, 1, 1, 1, 1, 1, 1]


def test_confidence_is_held_against_what_is_right() -> None:
    found = judged(TWO, (2, "Neutral"), (5, "Angry"), (7, "Angry"), (10, "Angry"))
    (late,) = [row for row in by_speech_heard([found]) if row.from_s == 2.5]
    assert late.count == 3
    assert late.accuracy == pytest.approx(2 / 3)
    assert late.ece == pytest.approx(0.8 - 2 / 3)
    assert risk_against_coverage([found])[-1].risk == pytest.approx(1 / 4)
    named = named_coverage([found])
    assert named is not None
    assert named.coverage == 1.0
    assert named.risk == pytest.approx(1 / 4)


def test_intervals_are_over_streams() -> None:
    good = judged(TWO, (5, "Neutral"), (10, "Angry"))
    bad = judged(TWO, (10, "Joy"))
    score = score_streams([good, bad])
    assert score.figures["eder"] == pytest.approx(0.5)
    low, high = score.intervals["eder"]
    assert low == pytest.approx(0, abs=1e-9)
    assert high == pytest.approx(1)


def test_a_change_has_until_the_next_one_to_be_noticed() -> None:
    truth = stream(Segment(0, 4, "Neutral"), Segment(4, 7, "Angry"), Segment(7, 10, "Joy"))
    found = judged(truth, (4, "Neutral"), (7, "Neutral"), (8, "Angry"), (10, "Joy"))
    _, angry, joy = found.detections
    assert angry.delay_s is None
    assert (joy.delay_s, joy.wrong_turns) == (3, 0)


def test_going_back_to_the_emotion_before_is_no_wrong_turn_but_flicker() -> None:
    found = judged(TWO, (4, "Neutral"), (6, "Angry"), (7, "Neutral"), (8, "Angry"), (10, "Angry"))
    assert found.detections[1].wrong_turns == 0
    assert found.flicker == 2


def test_rates_are_over_the_speech_that_they_can_occur_in() -> None:
    found = judged(TWO, (1, "Neutral"), (2, "Joy"), (5, "Neutral"), (10, "Angry"))
    figures = score_streams([found], intervals=False).figures
    assert figures["false_changes_per_min"] == pytest.approx(60 / 5)
    assert figures["flicker_per_min"] == pytest.approx(2 * 60 / 10)


def test_delays_have_a_median_and_a_tenth_that_is_slower() -> None:
    found = [judged(TWO, (5, "Neutral"), (5 + delay_s, "Angry")) for delay_s in (1, 2, 3, 5)]
    figures = score_streams(found, intervals=False).figures
    assert figures["delay_median_s"] == pytest.approx(2.5)
    assert figures["delay_p90_s"] == pytest.approx(4.4)


def test_intervals_draw_within_each_dataset() -> None:
    other = stream(Segment(0, 10, "Angry"), dataset="other")
    found = [judged(TWO, (5, "Neutral"), (10, "Angry")), judged(other, (10, "Joy"))]
    assert score_streams(found * 3).intervals["eder"] == pytest.approx((0.5, 0.5))


def test_calibration_and_coverage_know_sure_answers_from_others() -> None:
    spans = ((2, "Neutral"), (4, "Neutral"), (6, "Neutral"), (8, "unsure"), (10, "Angry"))
    sure = (0.95, 0.95, 0.55, 0.3, 0.95)
    given = [replace(a, confidence=c) for a, c in zip(answers(*spans), sure, strict=True)]
    found = measure(TWO, given, LABELS)
    (late,) = [row for row in by_speech_heard([found]) if row.from_s == 2.5]
    # Of 4 answers: right at 0.95 twice, wrong at 0.55, wrong at 0.3.
    assert late.count == 4
    assert late.ece == pytest.approx((2 * 0.05 + 0.55 + 0.3) / 4)
    curve = risk_against_coverage([found], steps=5)
    assert [round(point.risk, 3) for point in curve] == [0, 0, 0, 0.25, 0.4]
    named = named_coverage([found])
    assert named is not None
    assert (named.coverage, named.risk) == pytest.approx((0.8, 0.25))


def test_the_speech_heard_lies_in_one_bin() -> None:
    found = judged(TWO, (1, "Neutral"), (2.5, "Neutral"))
    assert [(row.from_s, row.count) for row in by_speech_heard([found])] == [(1.0, 1), (2.5, 1)]
