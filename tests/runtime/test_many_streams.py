"""Live streams that share one core keep to their hops, as far as the arithmetic allows."""

from __future__ import annotations

import heapq
from collections.abc import Sequence

import numpy as np
import pytest

from ser_rt.audio.chunk import AudioChunk
from ser_rt.classifier import Hop, HopResult
from ser_rt.runtime.engine import make_engine
from ser_rt.runtime.settings import StreamSettings
from tests.conftest import RATE
from tests.support.recording_classifier import RecordingClassifier

CHUNK_S, HOP_S, COST_S = 0.1, 0.5, 0.0111
BLOCK = np.full(round(CHUNK_S * RATE), 0.1, np.float32)


class OneCore(RecordingClassifier):
    """A clock that moves when the network computes a hop, at the price of the built-in `base`."""

    min_window_s, now_s = 1.0, 0.0

    def clock(self) -> float:
        return self.now_s

    def classify_hops(self, hops: Sequence[Hop]) -> list[HopResult]:
        self.now_s += COST_S * len(hops)
        return [HopResult(np.array([0.5, 0.5], np.float32), hop.caches) for hop in hops]

    def run(self, phases_s: Sequence[float], seconds: float, *, partial: bool) -> list[float]:
        """Return the latencies in ms of streams that begin at these times."""
        settings = StreamSettings(partial=partial, vad=False, gate_threshold=0)
        self.engines = [make_engine(self, settings, clock=self.clock) for _ in phases_s]
        due = [(phase + CHUNK_S, number, 0) for number, phase in enumerate(phases_s)]
        heapq.heapify(due)
        latencies: list[float] = []
        self.codes: list[str | None] = []
        while due:
            at_s, number, taken = heapq.heappop(due)
            self.now_s = max(self.now_s, at_s)
            chunk = AudioChunk(BLOCK, taken, at_s, is_live=True, queue_s=self.now_s - at_s)
            events = list(self.engines[number].feed(chunk))
            for event in (event for event in events if event.type == "emotion"):
                self.parts = event.latency_ms
                latencies.append(event.latency_ms["total"])
            self.codes += [e.code for e in events if e.type == "warning"]
            if at_s < seconds:
                heapq.heappush(due, (at_s + CHUNK_S, number, taken + len(BLOCK)))
        return latencies

    @property
    def skipped(self) -> int:
        return sum(engine.skipped_windows for engine in self.engines)


@pytest.mark.parametrize("partial", [True, False])
def test_forty_streams_that_begin_within_a_hop_keep_up_from_their_first_result(
    partial: bool,  # noqa: FBT001 (a parameter of the test)
) -> None:
    """They use 0.89 of the core; a first result that cost all its hops would be too much."""
    core = OneCore()
    begins = np.random.default_rng(40).uniform(0, HOP_S, 40).tolist()
    latencies = core.run(begins, 12, partial=partial)
    assert (core.skipped, core.codes) == (0, [])
    assert np.percentile(latencies, 95) < 100


def test_streams_that_begin_at_one_instant_wait_and_lose_nothing() -> None:
    core = OneCore()
    latencies = core.run([0.0] * 40, 12, partial=True)
    assert (core.skipped, core.codes) == (0, [])
    assert max(latencies) == pytest.approx(1e3 * 40 * COST_S, abs=0.1)


class InTurns(OneCore):
    """The classifier of one of many streams: its hops wait for those of the others."""

    waited_s = 0.0

    def classify_hops(self, hops: Sequence[Hop]) -> list[HopResult]:
        self.now_s += 0.45
        self.waited_s += 0.45
        return super().classify_hops(hops)


def test_the_wait_for_a_turn_is_no_sign_of_a_slow_model() -> None:
    core = InTurns()
    latencies = core.run([0.0], 12, partial=True)
    assert (core.skipped, core.codes) == (0, [])
    assert set(np.round(latencies, 1)) == {461.1}
    assert (core.parts["queue"], core.parts["inference"]) == (450.0, 11.1)
