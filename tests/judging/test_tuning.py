"""Tuning: wishes, a search that fulfils them on kept answers, and temperatures by length."""

from __future__ import annotations

import logging
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ser_rt.errors import ConfigError, DataError
from ser_rt.judging.calibration import fit_temperatures
from ser_rt.judging.scores import StreamScore
from ser_rt.judging.trade_off import page, trade_off_table
from ser_rt.judging.truth import LabelledStream, Segment
from ser_rt.judging.tuning import Grid, Trial, Tuner, settings_of
from ser_rt.judging.wish import Wish
from ser_rt.profiles import Profile
from ser_rt.runtime.event import EmotionEvent
from tests.judging.conftest import Make
from tests.support.tones import PitchClassifier

pytest.importorskip("optuna")

FIGURES = {
    "eder": 0.3,
    "uar": 0.6,
    "delay_median_s": 2.0,
    "delay_p90_s": math.nan,
    "missed": 0.1,
    "risk": 0.3,
    "flicker_per_min": 4.0,
    "false_changes_per_min": 3.0,
}


def test_a_wish_names_what_is_broken_and_by_how_much() -> None:
    wish = Wish(max_delay=1.6, max_flicker=4.0, min_uar=0.75)
    assert wish.broken(FIGURES) == pytest.approx({"max_delay": 0.25, "min_uar": 0.2})
    assert wish.cost(FIGURES) == pytest.approx(1.45)
    assert Wish(max_delay=2.0).cost(FIGURES) == 0.3
    assert Wish(max_late_delay=9.0).broken(FIGURES) == {"max_late_delay": 10.0}


@pytest.fixture(scope="module")
def streams(make: Make) -> list[LabelledStream]:
    return make(per_dataset=2)


def tuner_of(streams: list[LabelledStream], **how: object) -> Tuner:
    return Tuner(PitchClassifier(sharpness=1.0), streams, **how)  # type: ignore[arg-type]  # by name


def test_a_search_fulfils_a_wish_and_asks_the_network_once_for_each_of_its_settings(
    streams: list[LabelledStream],
) -> None:
    tuner = tuner_of(streams, grid=Grid(hops_s=(0.5, 1.0), gates=(0.0,)))
    wish = Wish(max_flicker=2.0, max_false_changes=1.0)
    best = tuner.search(wish, 12)
    assert wish.broken(best.score.figures) == {}
    assert best.score.figures["eder"] == min(
        t.score.figures["eder"] for t in tuner.trials if not wish.broken(t.score.figures)
    )
    hops = {trial.profile.hop_s for trial in tuner.trials}
    assert hops == {0.5, 1.0}
    assert len(tuner.classifier.calls) <= sum(  # type: ignore[attr-defined]  # PitchClassifier
        stream.length_s / hop_s + 2 for stream in streams for hop_s in (0.5, 1.0)
    )
    again = tuner_of(streams, grid=tuner.grid).search(wish, 12)
    assert again.profile == best.profile
    curve = tuner.trade_off()
    assert curve
    assert all(
        not (
            other.score.figures["eder"] < one.score.figures["eder"]
            and other.score.figures["delay_median_s"] < one.score.figures["delay_median_s"]
            and other.score.figures["false_changes_per_min"]
            < one.score.figures["false_changes_per_min"]
        )
        for one in curve
        for other in tuner.trials
    )


def test_an_interrupted_search_writes_no_traceback(
    streams: list[LabelledStream],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    tuner = tuner_of(streams)
    monkeypatch.setattr(tuner, "judge", interrupted)
    logger = logging.getLogger("optuna")  # it does not propagate
    logger.addHandler(caplog.handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            tuner.search(Wish(), 2)
    finally:
        logger.removeHandler(caplog.handler)
    assert caplog.records == []


def test_a_search_begins_with_what_the_model_has(streams: list[LabelledStream]) -> None:
    stored = Profile(
        half_life_s=1.23, weight_per_s=4.56, neutral=0.4, enter=0.3, leave=0.7, hold_s=0.1
    )
    tuner = tuner_of(streams[:2], grid=Grid(unsure=0.2), profiles=[stored])
    tuner.search(Wish(), 2)
    assert tuner.trials[0].profile.half_life_s == 0.7
    share = 1 / len(tuner.classifier.labels)
    assert tuner.trials[0].profile.neutral == pytest.approx(share, abs=0.025)
    assert tuner.trials[1].profile == replace(stored, unsure=0.2)


@pytest.mark.filterwarnings("error")  # optuna warns of values that it does not search
def test_a_profile_outside_of_what_is_searched_begins_at_the_nearest_place(
    streams: list[LabelledStream],
) -> None:
    stored = Profile(window_s=3.0, hop_s=0.9, half_life_s=0.0, neutral=0.43, enter=0.95)
    grid = Grid(windows_s=(1.5, 2.5), hops_s=(0.5, 1.0), gates=(0.0,))
    tuner = tuner_of(streams[:2], grid=grid, profiles=[stored])
    tuner.search(Wish(), 2)
    found = tuner.trials[1].profile
    assert (found.window_s, found.hop_s, found.gate_threshold) == (2.5, 1.0, 0.0)
    assert (found.half_life_s, found.neutral, found.enter) == (0.3, 0.45, 0.9)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"windows_s": (-1.0, 2.0)}, "window_s must be"),
        ({"gates": (2.0,)}, "gate_threshold must be"),
        ({"unsure": 5.0}, "unsure must be"),
        ({"windows_s": (1.0, 2.0), "hops_s": (0.5, 1.5)}, "hop of 1.5 s"),
    ],
)
def test_a_grid_that_no_stream_can_have_is_refused_before_the_search(
    streams: list[LabelledStream], values: dict[str, Any], words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        tuner_of(streams, grid=Grid(**values)).search(Wish(), 2)


def tried(delay_s: float, false_changes: float, eder: float) -> Trial:
    figures = FIGURES | {
        "delay_median_s": delay_s,
        "false_changes_per_min": false_changes,
        "eder": eder,
    }
    return Trial(Profile(), StreamScore(1, 1, 1.0, 1, figures))


def test_what_cannot_be_measured_beats_nothing_and_is_no_number_in_the_trade_off() -> None:
    tuner = tuner_of([])
    tuner.trials = [tried(3.0, math.nan, 0.3), tried(1.0, math.nan, 0.1), tried(2.0, math.nan, 0.2)]
    assert tuner.trade_off() == [tuner.trials[1]]
    unnoticed = tried(math.nan, 1.0, 0.2)
    tuner.trials = [unnoticed, tried(1.0, 1.0, 0.2), tried(1.0, 2.0, 0.3)]
    assert tuner.trade_off() == [tuner.trials[1]]
    assert trade_off_table([unnoticed]).rows[0][:2] == ("-", "1.0")


def test_the_picture_has_the_error_rate_where_nothing_is_neutral(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    drawn: list[Any] = []

    def drawing(figure: Any) -> bytes:
        drawn.append(figure)
        return b""

    monkeypatch.setattr("ser_rt.judging.trade_off.png", drawing)
    tuner = tuner_of([])
    for false_changes, label in ((math.nan, "EDER"), (1.0, "false changes")):
        tuner.trials = [tried(1.0, false_changes, 0.1), tried(2.0, math.nan, 0.2)]
        page(tuner, tuner.trials[0], [trade_off_table(tuner.trials)], "calm")
        axes = drawn[-1].axes[0]
        assert axes.get_ylabel().startswith(label)
        assert math.isfinite(axes.collections[0].get_offsets()[0][1])


def test_a_profile_gives_the_settings_of_a_stream_whatever_the_model_has() -> None:
    settings = settings_of(Profile(hop_s=0.25, enter=0.4))
    assert settings.hop_s == 0.25
    naming = settings.naming_for(type("Model", (), {"profiles": {"default": Profile(leave=0.2)}})())
    assert (naming.enter, naming.leave, naming.half_life_s) == (0.4, 1.0, 0.7)


def overconfident(
    count: int, speech: float, right: float
) -> tuple[LabelledStream, list[EmotionEvent]]:
    """Answers that are 0.9 sure of Joy, of which so many are right."""
    row = {"Joy": 0.9, "Sad": 0.1}
    events = [
        EmotionEvent(
            seq=n,
            start=float(n),
            end=float(n + 1),
            emotion="Joy",
            confidence=0.9,
            probabilities=row,
            speech=speech,
        )
        for n in range(count)
    ]
    segments = tuple(
        Segment(float(n), float(n + 1), "Joy" if n < right * count else "Sad") for n in range(count)
    )
    samples = np.zeros(count * 10, np.float32)
    return LabelledStream("s", samples, 10, segments, float(count)), events


def test_temperatures_make_each_length_as_sure_as_it_is_right() -> None:
    # 1 s of speech (0.5 would be another place): 70 % right, said to be 90 %.
    stream, events = overconfident(100, 1.0, 0.7)
    found = fit_temperatures([stream], [events], ("Joy", "Sad"))
    wanted = math.log(9) / math.log(0.7 / 0.3)
    assert found == {0.5: pytest.approx(wanted, abs=1e-2), 1.0: pytest.approx(wanted, abs=1e-2)}


def test_the_shape_leaves_the_mean_as_it_is() -> None:
    short, long = overconfident(100, 0.5, 0.6), overconfident(100, 1.0, 0.8)
    streams, events = [short[0], long[0]], [short[1], long[1]]
    found = fit_temperatures(streams, events, ("Joy", "Sad"), shape_only=True)
    assert found[0.5] / found[1.0] == pytest.approx(math.log(4) / math.log(1.5), rel=1e-2)
    assert found[0.5] * found[1.0] == pytest.approx(1.0, rel=1e-2)


def test_too_few_answers_are_refused() -> None:
    stream, events = overconfident(10, 1.0, 0.7)
    with pytest.raises(DataError, match="more streams"):
        fit_temperatures([stream], [events], ("Joy", "Sad"))
