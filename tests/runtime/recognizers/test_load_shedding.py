"""A model with a price, on a clock that only the model and the microphone move."""

from collections.abc import Iterator

import numpy as np
import pytest

from ser_rt.audio.chunk import AudioChunk
from ser_rt.classifier import FloatArray
from ser_rt.runtime.engine import Engine
from ser_rt.runtime.event import Event
from ser_rt.runtime.recognizers.windowed import WindowedRecognizer
from ser_rt.runtime.settings import DEFAULTS, StreamSettings
from ser_rt.runtime.smoother import Smoother
from tests.conftest import RATE, make_wave

BLOCK = 320


class PricedWorld:
    """A clock, a model that takes its time, and a microphone that does not wait for it."""

    labels = ("a", "b")
    sample_rate = RATE

    def __init__(self, price_s: dict[float, float], *, is_live: bool = True) -> None:
        """Set what a call costs from which second on."""
        self.now_s = 0.0
        self.captured = 0
        self.is_live = is_live
        self._price_s = price_s
        self._wave = make_wave(1)[:BLOCK]

    def clock(self) -> float:
        return self.now_s

    def __call__(self, waveforms: FloatArray) -> FloatArray:
        self.now_s += self._price_s[max(t for t in self._price_s if t <= self.now_s)]
        return np.full((len(waveforms), 2), 0.5, np.float32)

    def chunks(self, seconds: float) -> Iterator[AudioChunk]:
        while self.captured < seconds * RATE:
            due_s = (self.captured + BLOCK) / RATE
            self.now_s = max(self.now_s, due_s)
            start, self.captured = self.captured, self.captured + BLOCK
            queue_s = self.now_s - due_s
            yield AudioChunk(self._wave, start, due_s, is_live=self.is_live, queue_s=queue_s)

    def run(self, seconds: float, hop_s: float = 0.5) -> tuple[Engine, list[Event]]:
        recognizer = WindowedRecognizer(self, StreamSettings(hop_s=hop_s), clock=self.clock)
        engine = Engine(
            self, recognizer, Smoother(DEFAULTS.naming_for(self), self.labels), clock=self.clock
        )
        return engine, list(engine.run(self.chunks(seconds)))


def windows(events: list[Event]) -> list[Event]:
    return [event for event in events if event.type == "emotion"]


def codes(events: list[Event]) -> list[str | None]:
    return [event.code for event in events if event.type == "warning"]


def test_a_model_that_keeps_up_misses_nothing() -> None:
    engine, events = PricedWorld({0: 0.3}).run(60)
    assert (len(windows(events)), engine.skipped_windows, codes(events)) == (119, 0, [])
    assert max(event.latency_ms["total"] for event in events) == pytest.approx(300, abs=1)


@pytest.mark.parametrize("price_s", [0.45, 0.7, 1.7, 6.0])
def test_a_slow_model_widens_the_hop_and_the_lag_stays_bounded(price_s: float) -> None:
    world = PricedWorld({0: price_s})
    engine, events = world.run(120)
    assert codes(events)[0] == "degraded"
    assert "recovered" not in codes(events)
    # A window is asked for when it is at most a hop old, and takes its price.
    # The last one may wait for the one before: it is classified however late.
    *paced, _ = windows(events)
    assert max(e.latency_ms["total"] for e in paced) <= 1e3 * (price_s + 0.5) + 21
    assert len(windows(events)) + engine.skipped_windows == 239
    ends = [event.end for event in paced][-5:]
    assert np.diff(ends).min() >= price_s
    assert world.captured == 120 * RATE


def test_it_recovers_by_itself_when_the_load_falls() -> None:
    engine, events = PricedWorld({0: 0.05, 20: 1.3, 60: 0.05}).run(100)
    changes = codes(events)
    assert changes[0] == "degraded"
    assert changes[-1] == "recovered"
    assert engine.skipped_windows > 40
    ends = [event.end for event in windows(events)]
    assert np.diff(ends)[-40:] == pytest.approx(0.5)
    assert windows(events)[-1].latency_ms["total"] < 100


def test_a_hiccup_costs_what_came_meanwhile_and_no_more() -> None:
    engine, events = PricedWorld({0: 0.02, 30: 1.2, 31: 0.02}).run(60)
    assert codes(events) == ["stale"]
    assert 1 <= engine.skipped_windows <= 3


def test_a_file_drops_nothing_however_slow_the_model_is() -> None:
    engine, events = PricedWorld({0: 5.0}, is_live=False).run(20)
    assert (len(windows(events)), engine.skipped_windows, codes(events)) == (39, 0, [])


def test_the_parts_of_every_latency_add_up() -> None:
    _, events = PricedWorld({0: 0.7}).run(60)
    for event in windows(events):
        parts = dict(event.latency_ms)
        assert parts.pop("total") == pytest.approx(sum(parts.values()), abs=1)
        assert parts["inference"] == pytest.approx(700, abs=1)


def test_windows_that_came_too_late_are_told_at_the_end_at_the_latest() -> None:
    recognizer = WindowedRecognizer(PricedWorld({0: 0.0}), clock=lambda: 100.0)
    assert list(recognizer.feed(AudioChunk(make_wave(5), 0, 1.0, is_live=True))) == []
    (last,) = recognizer.flush()
    assert [warning.code for warning in last.warnings] == ["stale"]
