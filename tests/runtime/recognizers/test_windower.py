import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ser_rt.errors import AudioInputError
from ser_rt.runtime.recognizers.windower import Window, Windower


def cut(
    samples: np.ndarray, sizes: list[int], *, window: int, hop: int, first: int
) -> list[Window]:
    windower = Windower(window=window, hop=hop, first=first)
    windows: list[Window] = []
    start = turn = 0
    while start < len(samples):
        size = sizes[turn % len(sizes)]
        windows += windower.feed(samples[start : start + size], start)
        start, turn = start + size, turn + 1
    return windows + list(windower.flush())


@st.composite
def shapes(draw: st.DrawFn) -> dict[str, int]:
    window = draw(st.integers(1, 40))
    return {
        "window": window,
        "hop": draw(st.integers(1, window)),
        "first": draw(st.integers(1, window)),
    }


@given(
    shape=shapes(),
    count=st.integers(0, 300),
    sizes=st.lists(st.integers(0, 97), min_size=1, max_size=5).filter(any),
)
def test_windows_depend_on_sample_indices_alone(
    shape: dict[str, int], count: int, sizes: list[int]
) -> None:
    samples = np.arange(count, dtype=np.float32)
    windows = cut(samples, sizes, **shape)

    ends = list(range(shape["first"], count + 1, shape["hop"]))
    if count and (not ends or ends[-1] < count):
        ends.append(count)
    assert [window.end for window in windows] == ends
    for window in windows:
        assert window.start == max(0, window.end - shape["window"])
        assert window.is_partial == (window.end < shape["window"])
        np.testing.assert_array_equal(window.samples, samples[window.start : window.end])


@given(
    shape=shapes(),
    runs=st.lists(st.tuples(st.integers(1, 50), st.integers(1, 120)), max_size=5),
    sizes=st.lists(st.integers(0, 97), min_size=1, max_size=5).filter(any),
)
def test_audio_between_gaps_is_cut_as_if_alone(
    shape: dict[str, int], runs: list[tuple[int, int]], sizes: list[int]
) -> None:
    windower = Windower(window=shape["window"], hop=shape["hop"], first=shape["first"])
    found: list[Window] = []
    expected: list[tuple[int, int, list[float]]] = []
    start = turn = 0
    for gap, count in runs:
        start += gap
        samples = np.arange(start, start + count, dtype=np.float32)
        alone = cut(samples, [count], **shape)
        expected += [(w.start + start, w.end + start, w.samples.tolist()) for w in alone]
        taken = 0
        while taken < count:
            size = sizes[turn % len(sizes)]
            found += windower.feed(samples[taken : taken + size], start + taken)
            taken, turn = min(taken + size, count), turn + 1
        start += count
    found += windower.flush()
    assert [(w.start, w.end, w.samples.tolist()) for w in found] == expected


def test_a_gap_starts_anew_behind_it() -> None:
    windower = Windower(window=4, hop=2, first=2)
    ones = np.ones(5, np.float32)
    assert [w.end for w in windower.feed(ones, 0)] == [2, 4]
    last, *after = windower.feed(2 * ones, 100)
    assert (last.start, last.end, last.samples.tolist()) == (1, 5, [1] * 4)
    assert [(w.start, w.end, w.is_partial) for w in after] == [(100, 102, True), (100, 104, False)]
    assert all((w.samples == 2).all() for w in after)
    assert [(w.start, w.end) for w in windower.flush()] == [(101, 105)]


def test_flush_says_nothing_twice() -> None:
    windower = Windower(window=4, hop=2, first=2)
    list(windower.feed(np.ones(3, np.float32), 0))
    assert len(list(windower.flush())) == 1
    assert list(windower.flush()) == []


def test_samples_that_come_twice_are_refused() -> None:
    windower = Windower(window=4, hop=2, first=2)
    list(windower.feed(np.ones(3, np.float32), 0))
    with pytest.raises(AudioInputError, match="sample 1"):
        list(windower.feed(np.ones(3, np.float32), 1))


def test_a_window_keeps_its_samples() -> None:
    windower = Windower(window=4, hop=2, first=2)
    first, *_ = windower.feed(np.ones(4, np.float32), 0)
    list(windower.feed(np.zeros(40, np.float32), 4))
    assert (first.samples == 1).all()
