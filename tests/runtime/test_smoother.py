"""A hidden Markov model of a voice: emotions last, and each result counts for its time."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ser_rt.errors import ConfigError
from ser_rt.runtime.recognizers.recognizer import Posterior
from ser_rt.runtime.settings import StreamSettings
from ser_rt.runtime.smoother import Smoother

LABELS = ("Neutral", "Joy")


def posterior(end_s: float, first: float | None, length_s: float = 3.0) -> Posterior:
    probabilities = None if first is None else np.array([first, 1 - first], np.float32)
    start_s = max(0.0, end_s - length_s)
    return Posterior(
        start_s, end_s, probabilities, speech=1.0, is_partial=False, captured_at=0.0, spent_s={}
    )


def smoother_of(labels: tuple[str, ...] = LABELS, **how: float) -> Smoother:
    return Smoother(StreamSettings(**how).naming_for(None), labels)  # type: ignore[arg-type]  # by name


def first(smoother: Smoother, at: Posterior) -> float:
    smoothed = smoother.update(at)
    assert smoothed is not None
    assert smoothed.dtype == np.float32
    assert smoothed.sum() == pytest.approx(1)
    return float(smoothed[0])


def test_it_is_the_forward_recursion_of_a_hidden_markov_model() -> None:
    smoother = smoother_of(half_life_s=1.0, weight_per_s=2.0, neutral=0.7)
    assert first(smoother, posterior(0.5, 0.8)) == pytest.approx(
        0.7 * 0.8 / (0.7 * 0.8 + 0.3 * 0.2)
    )
    believed = 0.56 / 0.62
    kept = 2**-0.5
    expected = kept * believed + (1 - kept) * 0.7
    wanted = expected * 0.1 / (expected * 0.1 + (1 - expected) * 0.9)
    assert first(smoother, posterior(1.0, 0.1)) == pytest.approx(wanted, rel=1e-6)


@given(hops=st.integers(1, 12), half_life_s=st.floats(0.05, 50))
def test_time_forgets_and_not_steps(hops: int, half_life_s: float) -> None:
    """Results that say nothing leave the belief to fall back to what it was at first."""
    smoother = smoother_of(half_life_s=half_life_s, neutral=0.4)
    before = first(smoother, posterior(1.0, 0.9))
    for i in range(hops):
        last = first(smoother, posterior(1.0 + (i + 1) / hops, 0.5))
    assert last == pytest.approx(0.4 + 0.5 ** (1 / half_life_s) * (before - 0.4), abs=1e-5)


@given(hops=st.integers(1, 12), weight=st.floats(0, 10))
def test_time_counts_and_not_results(hops: int, weight: float) -> None:
    """However many results share a second, together they weigh as much."""
    smoother = smoother_of(half_life_s=1e9, weight_per_s=weight)
    smoother.update(posterior(1.0, 0.5))
    for i in range(hops):
        last = first(smoother, posterior(1.0 + (i + 1) / hops, 0.6))
    assert last == pytest.approx(1 / (1 + (2 / 3) ** weight), abs=1e-4)


def test_the_first_result_counts_for_a_second_at_most() -> None:
    long, short = (
        first(smoother_of(weight_per_s=2.0), posterior(9.0, 0.8, length_s))
        for length_s in (3.0, 0.25)
    )
    assert long == pytest.approx(16 / 17)
    assert short == pytest.approx(2 / 3)


def test_silence_and_gaps_begin_anew() -> None:
    smoother, fresh = smoother_of(), smoother_of()
    smoother.update(posterior(1.0, 1.0))
    assert smoother.update(posterior(1.5, None)) is None
    assert first(smoother, posterior(2.0, 0.25)) == first(smoother_of(), posterior(2.0, 0.25))
    assert first(smoother, posterior(9.0, 0.75)) == first(fresh, posterior(9.0, 0.75))


def test_no_one_result_rules_an_emotion_out() -> None:
    smoother = smoother_of(half_life_s=1e9)
    for end_s in (1.0, 2.0, 3.0):
        assert first(smoother, posterior(end_s, 0.9)) > 0.8
    assert 0.1 < first(smoother, posterior(3.5, 0.0)) < 0.9


def test_zero_turns_it_off() -> None:
    smoother = smoother_of(half_life_s=0)
    smoother.update(posterior(1.0, 1.0))
    assert first(smoother, posterior(1.5, 0.125)) == 0.125


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("half_life_s", value) for value in (-1.0, float("nan"), float("inf"))),
        *(("weight_per_s", value) for value in (-1.0, float("nan"), 101.0)),
        *(("neutral", value) for value in (0.0, 1.0, float("nan"))),
    ],
)
def test_bad_settings_are_refused(name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=name):
        smoother_of(LABELS, **{name: value})


def test_a_model_without_neutral_has_no_share_of_it() -> None:
    with pytest.raises(ConfigError, match="labels are Joy, Sad"):
        smoother_of(("Joy", "Sad"), neutral=0.5)
