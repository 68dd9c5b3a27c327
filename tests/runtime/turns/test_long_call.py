"""A call of ten hours on two channels: as much memory at its end as after its first hour."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import psutil
import pytest

import ser_rt
from ser_rt.testing import FakeClassifier
from tests.conftest import Wave, make_wave

RATE, HOUR_S, BLOCK_S = 16_000, 3_600, 10


def call(hours: float) -> Iterator[Wave]:
    """Two parties who take turns of four seconds, in blocks of ten."""
    voice = make_wave(2 * BLOCK_S, RATE)
    second = np.arange(2 * BLOCK_S * RATE) // RATE
    both = np.stack([voice * (second % 10 < 4), voice * (second % 10 >= 5)], axis=1)
    blocks = itertools.cycle([both[: BLOCK_S * RATE], both[BLOCK_S * RATE :]])
    return itertools.islice(blocks, round(hours * HOUR_S / BLOCK_S))


def resident_bytes() -> int:
    return int(psutil.Process().memory_info().rss)


def growth(hours: float, first_hours: float) -> tuple[int, int]:
    """Return the bytes that a call grows by after its beginning, and its turns."""
    events = ser_rt.stream(
        call(hours),
        sample_rate=RATE,
        model=FakeClassifier(),
        channel="split",
        channel_names=["agent", "customer"],
        vad=False,
        turns=True,
        turn_updates=True,
    )
    before, turns = 0, 0
    for event in events:
        turns += event.type == "turn" and event.to_dict()["final"]
        if not before and event.end > first_hours * HOUR_S:
            before = resident_bytes()
    return resident_bytes() - before, turns


@pytest.mark.parametrize(
    ("hours", "first_hours"),
    [(0.25, 0.1), pytest.param(10.0, 1.0, marks=[pytest.mark.slow, pytest.mark.timeout(3600)])],
)
def test_a_long_call_takes_no_more_memory(hours: float, first_hours: float) -> None:
    grown, turns = growth(hours, first_hours)
    assert turns == 2 * hours * HOUR_S / BLOCK_S
    assert grown < 3_000_000
