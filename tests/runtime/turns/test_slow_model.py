"""Turns of live audio where the model is slow: on a clock that only the model moves."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ser_rt.audio.chunk import AudioChunk
from ser_rt.classifier import FloatArray
from ser_rt.runtime.engine import make_engine
from ser_rt.runtime.event import Event, TurnEvent
from ser_rt.runtime.settings import StreamSettings
from tests.conftest import RATE

SECONDS, CHUNK_S = 60, 0.1


class Clock:
    """Seconds since the stream began."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class SlowModel:
    """Takes some seconds for each window."""

    labels, sample_rate = ("Neutral", "Joy"), RATE
    window_s, hop_s, min_window_s = 3.0, 0.5, 1.0

    def __init__(self, cost_s: float, clock: Clock) -> None:
        self._cost_s, self._clock = cost_s, clock

    def __call__(self, windows: FloatArray) -> FloatArray:
        self._clock.now += self._cost_s * len(windows)
        level = np.abs(windows).mean(axis=1, keepdims=True)
        return np.concatenate((level, 1 - level), axis=1).astype(np.float32)


def streamed(cost_s: float, *, is_live: bool) -> tuple[list[Event], list[float]]:
    """Return the events of a minute, and how late the stream is after each chunk."""
    clock = Clock()
    settings = StreamSettings(vad=False, turns=True, turn_updates=True)
    model: Any = SlowModel(cost_s, clock)
    engine = make_engine(model, settings, clock=clock)
    rng, size = np.random.default_rng(0), round(CHUNK_S * RATE)
    events: list[Event] = []
    lags = []
    for number in range(round(SECONDS / CHUNK_S)):
        captured_at = (number + 1) * CHUNK_S
        clock.now = max(clock.now, captured_at)
        is_pause = number * CHUNK_S % 12 > 11
        level = 0.0 if is_pause else 0.1
        samples = rng.normal(0, level, size).astype(np.float32)
        chunk = AudioChunk(samples, number * size, captured_at, is_live=is_live)
        events += engine.feed(chunk)
        lags.append(clock.now - captured_at)
    return [*events, *engine.flush()], lags


@pytest.mark.parametrize("cost_s", [0.35, 0.6, 1.0, 2.0])
def test_a_live_stream_with_turns_does_not_fall_behind(cost_s: float) -> None:
    events, lags = streamed(cost_s, is_live=True)
    turns = [event for event in events if isinstance(event, TurnEvent) and event.final]
    results = [event for event in events if event.type == "emotion"]
    assert max(lags) < 0.5 + 4 * cost_s
    assert len(turns) == 5
    assert all(turn.latency_ms["total"] < 4e3 * cost_s for turn in turns)
    assert len(results) > 0.25 * SECONDS / cost_s
    assert any(getattr(event, "code", "") == "degraded" for event in events)
    # each turn is of its own audio all the same
    assert [turn.probabilities["Neutral"] for turn in turns] == pytest.approx([0.08] * 5, abs=0.02)


def test_where_the_model_keeps_up_turns_are_those_of_a_recording() -> None:
    def timeless(events: list[Event]) -> list[Event]:
        return [replace(event, latency_ms={}, at=None) for event in events]

    live, lags = streamed(0.1, is_live=True)
    assert max(lags) < 0.5
    assert timeless(live) == timeless(streamed(0.1, is_live=False)[0])
