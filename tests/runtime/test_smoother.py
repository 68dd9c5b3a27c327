import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ser_rt.errors import ConfigError
from ser_rt.runtime.recognizers.windowed import Posterior
from ser_rt.runtime.smoother import Smoother


def posterior(end_s: float, first: float | None, length_s: float = 3.0) -> Posterior:
    probabilities = None if first is None else np.array([first, 1 - first], np.float32)
    start_s = max(0.0, end_s - length_s)
    return Posterior(
        start_s, end_s, probabilities, speech=1.0, is_partial=False, captured_at=0.0, spent_s={}
    )


def first(smoother: Smoother, at: Posterior) -> float:
    smoothed = smoother.update(at)
    assert smoothed is not None
    return float(smoothed[0])


def test_half_of_a_change_is_through_after_the_half_life() -> None:
    smoother = Smoother(0.5)
    assert first(smoother, posterior(1.0, 1.0)) == 1.0
    assert first(smoother, posterior(1.5, 0.0)) == pytest.approx(0.5)
    assert first(smoother, posterior(2.0, 0.0)) == pytest.approx(0.25)


@given(hops=st.integers(1, 12), half_life_s=st.floats(0.05, 5))
def test_time_counts_and_not_steps(hops: int, half_life_s: float) -> None:
    smoother = Smoother(half_life_s)
    smoother.update(posterior(1.0, 1.0))
    for i in range(hops):
        last = first(smoother, posterior(1.0 + (i + 1) / hops, 0.0))
    assert last == pytest.approx(0.5 ** (1 / half_life_s), abs=1e-5)


def test_silence_and_gaps_are_forgotten_over() -> None:
    smoother = Smoother(0.7)
    smoother.update(posterior(1.0, 1.0))
    assert smoother.update(posterior(1.5, None)) is None
    assert first(smoother, posterior(2.0, 0.25)) == 0.25
    assert first(smoother, posterior(9.0, 0.75)) == 0.75


def test_zero_turns_it_off() -> None:
    smoother = Smoother(0)
    smoother.update(posterior(1.0, 1.0))
    assert first(smoother, posterior(1.5, 0.125)) == 0.125


@pytest.mark.parametrize("half_life_s", [-1.0, float("nan"), float("inf")])
def test_a_bad_half_life_is_refused(half_life_s: float) -> None:
    with pytest.raises(ConfigError, match="half_life"):
        Smoother(half_life_s)
