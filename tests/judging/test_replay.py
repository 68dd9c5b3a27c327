"""Streams go through the engine of every stream: same events in any chunks, and when replayed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import ser_rt
from ser_rt.classifier import FloatArray
from ser_rt.judging.replay import classify_stream, is_same_in_odd_chunks, replay
from ser_rt.judging.truth import Omissions
from ser_rt.judging.verdict import judge
from ser_rt.runtime.settings import HysteresisSettings, StreamSettings
from ser_rt.testing import tiny_bundle, tiny_streaming_bundle
from tests.judging.conftest import Make
from tests.support.tones import RATE, PitchClassifier

STEADY = HysteresisSettings(enter=0.6, hold_s=2.0)
CALM = StreamSettings(half_life_s=2.0, hysteresis=STEADY, vad=False)
QUICK = StreamSettings(half_life_s=0.0, vad=False)


@pytest.mark.parametrize("bundle", [tiny_bundle, tiny_streaming_bundle])
def test_odd_chunks_give_the_same_events(bundle: object, tmp_path: Path, make: Make) -> None:
    model = ser_rt.load(bundle(tmp_path / "bundle"))  # type: ignore[operator]  # a function
    samples = make(per_dataset=1)[0].samples
    _, events = classify_stream(model, samples, CALM)
    assert is_same_in_odd_chunks(model, samples, CALM, events)
    assert not is_same_in_odd_chunks(model, samples, QUICK, events)


def test_events_are_those_of_a_stream(make: Make) -> None:
    samples = make(per_dataset=1)[0].samples
    _, events = classify_stream(PitchClassifier(), samples, CALM)
    how = {"half_life_s": 2.0, "hysteresis": STEADY, "vad": False}
    streamed = ser_rt.stream(samples, sample_rate=RATE, model=PitchClassifier(), **how)  # type: ignore[arg-type]  # by name
    assert {e.emotion for e in events} > {"Neutral"}
    assert [replace(e, latency_ms={}) for e in events] == [
        replace(e, latency_ms={}) for e in streamed
    ]


def test_kept_answers_are_named_as_a_new_run_names_them(make: Make) -> None:
    classifier = PitchClassifier()
    samples = make(per_dataset=1)[0].samples
    kept, _ = classify_stream(classifier, samples, CALM)
    _, wanted = classify_stream(classifier, samples, QUICK)
    calls = len(classifier.calls)
    found = replay(classifier, kept, QUICK)
    assert [e.emotion for e in found] == [e.emotion for e in wanted]
    assert np.allclose(
        [list(e.probabilities.values()) for e in found if e.probabilities],
        [list(e.probabilities.values()) for e in wanted if e.probabilities],
        atol=0,
    )
    assert len(classifier.calls) == calls


class Drifting(PitchClassifier):
    """A classifier whose answers depend on how often it was asked, as none may."""

    def __call__(self, waveforms: FloatArray) -> FloatArray:
        answer = super().__call__(waveforms)
        return np.asarray(answer ** (1 + len(self.calls) / 1000), np.float32)


@pytest.mark.parametrize(("model", "equal"), [(PitchClassifier, 2), (Drifting, 0)])
def test_a_verdict_counts_the_streams_that_any_chunks_leave_as_they_are(
    model: type[PitchClassifier], equal: int, make: Make
) -> None:
    streams = make(per_dataset=4)
    found = judge(model(), streams, CALM, Omissions(), online_checks=2)
    assert found.online == {"streams": 2, "equal": equal}


def test_with_many_checks_each_stream_is_compared(make: Make) -> None:
    streams = make(per_dataset=2)
    found = judge(PitchClassifier(), streams, QUICK, Omissions(), online_checks=len(streams) + 10)
    assert found.online == {"streams": len(streams), "equal": len(streams)}
