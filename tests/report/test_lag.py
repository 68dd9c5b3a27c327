"""Reports and summaries of recordings have emotions where they sounded."""

from __future__ import annotations

import numpy as np
import pytest

from ser_rt.audio.chunk import AudioChunk
from ser_rt.report.collector import Collector
from ser_rt.runtime.episodes import Lag
from ser_rt.runtime.event import EmotionEvent, Event, TurnEvent
from ser_rt.runtime.statistics import StreamStatistics

LAG = Lag(half_life_s=0.7, gate_threshold=0.1)
CHANGE_S, END_S, LATE_S = 10.0, 21.0, 3.2


def results() -> list[Event]:
    """Joy, then Angry from 10 s on, as windows of 5 s and their smoothing find it."""
    return [
        EmotionEvent(
            seq=0,
            start=max(0.0, end - 5),
            end=end,
            emotion="Joy" if end < CHANGE_S + LATE_S + 0.5 else "Angry",
            confidence=0.8,
        )
        for end in np.arange(1.0, END_S + 0.01, 0.5).tolist()
    ]


def test_a_report_counts_emotions_where_they_sounded() -> None:
    collector = Collector("x", ("Joy", "Angry"), 16_000, lag=LAG)
    noise = np.random.default_rng(0).normal(0, 0.1, round(16_000 * END_S)).astype(np.float32)
    collector.add(AudioChunk(noise, 0, 0.0))
    for event in results():
        collector.write(event)
    for start, end, emotion in ((0.0, CHANGE_S, "Joy"), (CHANGE_S, END_S, "Angry")):
        collector.write(
            TurnEvent(seq=0, start=start, end=end, emotion=emotion, confidence=0.8, speech=10.0)
        )
    shares = dict(collector.recording().shares())
    assert shares["Joy"] == pytest.approx(CHANGE_S / END_S, abs=0.03)
    assert shares["Angry"] == pytest.approx(1 - CHANGE_S / END_S, abs=0.03)


@pytest.mark.parametrize(("lag", "joy_s"), [(LAG, CHANGE_S), (None, CHANGE_S + LATE_S)])
def test_so_does_a_summary_unless_it_is_live(lag: Lag | None, joy_s: float) -> None:
    statistics = StreamStatistics(lag=lag)
    for event in results():
        statistics.add(event)
    statistics.close(END_S, 0.0, 0)
    assert statistics.summary().shares["Joy"] == pytest.approx(joy_s / END_S, abs=0.03)
