"""Where turns begin and end, from scripted probabilities of speech."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ser_rt.runtime.turns.segmenter import Span, TurnSegmenter

FRAME = 10


def segmenter(longest: int = 1000, shortest: int = 1, reach: int = 0) -> TurnSegmenter:
    return TurnSegmenter(
        threshold=0.5,
        ends_below=0.3,
        pause=3 * FRAME,
        longest=longest * FRAME,
        shortest=shortest * FRAME,
        reach=reach,
    )


def frames(count: int, start: int = 0) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    return np.arange(start, start + count, dtype=np.float32).repeat(FRAME).reshape(count, FRAME)


def spans(script: str, **settings: int) -> list[tuple[float, float, bool]]:
    """Each letter is a frame: s speech, - less than that, . none; times are in frames."""
    found = segmenter(**settings)
    found.frames(0, frames(len(script)), [{"s": 0.9, "-": 0.4, ".": 0.1}[c] for c in script])
    found.restart()
    return [(s.start / FRAME, s.end / FRAME, s.is_cut) for s in found.ended()]


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("......", []),
        ("..sss...", [(2, 5, False)]),
        ("..sss..s...", [(2, 8, False)]),  # a pause shorter than three frames lies inside
        ("ss...ss...", [(0, 2, False), (5, 7, False)]),
        (".-s--.", [(2, 5, False)]),  # it takes more to begin than to go on
        ("ss..-...", [(0, 5, False)]),
        ("ss", [(0, 2, False)]),  # the end of the stream ends it
    ],
)
def test_turns_end_with_a_pause(script: str, expected: list[tuple[float, float, bool]]) -> None:
    assert spans(script) == expected


def test_a_long_turn_is_cut_and_goes_on_without_a_hole() -> None:
    assert spans("s" * 10, longest=4) == [(0, 4, True), (4, 8, True), (8, 10, False)]
    assert spans("ssss--", longest=4) == [(0, 4, True), (4, 6, False)]
    assert spans("ssss.--s...", longest=4) == [(0, 4, True), (5, 8, False)]
    # It is cut by speech that would make it longer; a pause ends it as it is.
    assert spans("ssss...", longest=4) == [(0, 4, False)]


def test_a_click_is_no_turn() -> None:
    assert spans("..s......ss....", shortest=2) == [(9, 11, False)]


def test_a_turn_is_there_while_it_lasts() -> None:
    found = segmenter(shortest=2)
    found.frames(0, frames(1), [0.9])
    before = found.now
    found.frames(FRAME, frames(1), [0.9])
    while_it_lasts = found.now
    found.restart()
    assert (before, found.now) == (None, None)
    assert isinstance(while_it_lasts, Span)
    assert len(found.ended()) == 1
    assert found.ended() == []


def test_another_person_begins_another_turn() -> None:
    found = segmenter(shortest=2)
    found.frames(0, frames(12), [{"s": 0.9, ".": 0.1}[c] for c in "sssss.sssss."])
    found.split(75)  # in the middle of a frame, which stays whole
    first, second = *found.ended(), found.open
    assert second is not None
    assert (first.start, first.end, first.runs) == (0, 80, [(0, 50), (60, 80)])
    assert (second.start, second.end, second.runs) == (80, 110, [(80, 110)])
    assert (first.is_followed, first.is_cut, first.known_at) == (True, False, 120)
    assert first.power == pytest.approx(FRAME * sum(n * n for n in (0, 1, 2, 3, 4, 6, 7)))
    assert second.power == pytest.approx(FRAME * (64 + 81 + 100))
    assert [frame[0] for frame in first.take()] == [0, 1, 2, 3, 4, 5, 6, 7]
    assert [frame[0] for frame in second.take()] == [8, 9, 10]


def test_a_person_who_begins_in_a_pause_ends_the_turn_before_it() -> None:
    found = segmenter()
    found.frames(0, frames(4), [0.9, 0.9, 0.1, 0.1])
    found.split(25)
    (first,) = found.ended()
    assert (first.end, first.is_followed, found.open) == (20, True, None)
    found.frames(40, frames(1, 4), [0.9])
    found.split(40)  # where a turn begins anyway
    assert found.ended() == []


def test_only_what_is_settled_is_taken() -> None:
    found = segmenter(reach=3 * FRAME)
    found.frames(0, frames(5), [0.9] * 5)
    span = found.now
    assert span is not None
    assert len(span.take()) == 2
    found.split(0)
    found.split(20)
    (first,) = found.ended()
    assert (first.end, first.take()) == (20, [])
    found.frames(50, frames(1, 5), [0.9])
    found.restart()
    (rest,) = found.ended()
    assert [frame[0] for frame in rest.take()] == [2, 3, 4, 5]


def test_a_span_knows_its_speech_and_its_audio() -> None:
    found = segmenter()
    found.frames(0, frames(6), [0.1, 0.9, 0.1, 0.9, 0.9, 0.9])
    span = found.now
    assert span is not None
    assert span.runs == [(10, 20), (30, 60)]
    assert span.speech == 40
    assert span.speech_within(15, 35) == 10
    assert span.power == pytest.approx(FRAME * (1 + 9 + 16 + 25))
    assert [frame[0] for frame in span.take()] == [1, 2, 3, 4, 5]
    # A pause is taken once speech has followed it.
    found.frames(6 * FRAME, frames(2, 6), [0.1, 0.1])
    assert span.take() == []
    found.frames(8 * FRAME, frames(1, 8), [0.9])
    assert [frame[0] for frame in span.take()] == [6, 7, 8]


@given(
    script=st.lists(st.sampled_from([0.1, 0.4, 0.9]), max_size=80),
    cuts=st.lists(st.integers(1, 9), min_size=1, max_size=5),
)
def test_how_frames_come_changes_nothing(script: Sequence[float], cuts: Sequence[int]) -> None:
    whole, parts = segmenter(longest=7, shortest=2), segmenter(longest=7, shortest=2)
    whole.frames(0, frames(len(script)), script)
    at, number = 0, 0
    while at < len(script):
        count = min(cuts[number % len(cuts)], len(script) - at)
        parts.frames(at * FRAME, frames(count, at), script[at : at + count])
        at, number = at + count, number + 1
    for one in (whole, parts):
        one.restart()
    expected, found = whole.ended(), parts.ended()
    assert [(s.start, s.end, s.runs, s.is_cut, s.known_at) for s in found] == [
        (s.start, s.end, s.runs, s.is_cut, s.known_at) for s in expected
    ]
    for span in found:
        assert span.start < span.end
        assert span.end - span.start <= 7 * FRAME
    assert all(a.end <= b.start for a, b in pairwise(found))
