"""For smoothing, a network with caches answers for what is new since its last result alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ser_rt.runtime.recognizers.windowed import WindowedRecognizer
from ser_rt.runtime.settings import StreamSettings
from tests.conftest import RATE, make_wave
from tests.support.recording_classifier import Pooling, cut, posteriors_of

HOP = RATE // 2


@pytest.mark.parametrize(
    ("how", "pooled"),
    [
        ({}, [1, 1, 1, 1, 1, 1]),
        ({"min_window_s": 1.5}, [1, 2, 3, 1, 1, 1]),
        ({"half_life_s": 0.0}, [1, 2, 3, 4, 4, 4]),
    ],
    ids=["each result", "no result before the first", "without smoothing"],
)
def test_an_answer_for_smoothing_is_of_what_no_result_before_it_was_of(
    how: dict[str, float], pooled: list[int]
) -> None:
    model, wave = Pooling(), make_wave(3)
    recognizer = WindowedRecognizer(model, StreamSettings(**how))  # type: ignore[arg-type]  # by name
    posteriors = posteriors_of(recognizer, wave)
    assert model.pooled == pooled
    last = float(np.abs(wave[-HOP:]).mean())
    if not how:
        assert posteriors[-1].probabilities is not None
        assert posteriors[-1].probabilities[0] == pytest.approx(last)


def test_an_answer_after_a_short_silence_is_of_all_that_was_left_out() -> None:
    model, wave = Pooling(), make_wave(10)
    wave[4 * RATE : round(7.5 * RATE)] = 0
    posteriors = posteriors_of(WindowedRecognizer(model), wave)
    assert [p.end_s for p in posteriors if p.probabilities is None] == [7.0, 7.5]
    assert model.pooled == [1] * 13 + [1, 2, 3] + [1] * 4


@given(
    seconds=st.floats(0.01, 8),
    blocks=st.lists(st.integers(1, 30_000), max_size=4).map(lambda some: [*some, 4000]),
    hop_s=st.sampled_from([0.1, 0.333, 0.5, 1.0]),
    min_window_s=st.sampled_from([None, 0.7, 3.0]),
    gap=st.sampled_from([0, 4800, 80_000]),
)
@settings(max_examples=25, deadline=None)
def test_such_answers_do_not_depend_on_chunks(
    seconds: float, blocks: list[int], hop_s: float, min_window_s: float | None, gap: int
) -> None:
    wave = make_wave(seconds)

    def events(sizes: Sequence[int]) -> list[tuple[float, bytes | None]]:
        how = StreamSettings(hop_s=hop_s, min_window_s=min_window_s)
        recognizer = WindowedRecognizer(Pooling(), how)
        half = len(wave) // 2
        found = [p for chunk in cut(wave[:half], sizes) for p in recognizer.feed(chunk)]
        for chunk in cut(wave[half:], sizes[::-1], half + gap):
            found += recognizer.feed(chunk)
        found += recognizer.flush()
        return [
            (p.end_s, None if p.probabilities is None else p.probabilities.tobytes()) for p in found
        ]

    assert events(blocks) == events([10**9])
