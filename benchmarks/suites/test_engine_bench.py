"""Cost of the engine around a model, and of the built-in model, on one core."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile

import ser_rt
from ser_rt.audio.chunk import AudioChunk
from ser_rt.benchmarks.report.targets import Figure, note
from ser_rt.runtime.engine import make_engine
from ser_rt.runtime.settings import StreamSettings
from ser_rt.testing import FakeClassifier

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_benchmark.fixture import BenchmarkFixture

    from ser_rt.classifier import FloatArray

RATE_HZ = 16_000
CHUNK = RATE_HZ // 10


@pytest.fixture(autouse=True)
def one_core() -> Iterator[None]:
    """Keep the process on one core, where the system can."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(allowed)})
    yield
    os.sched_setaffinity(0, allowed)


@pytest.fixture(scope="module")
def sample() -> FloatArray:
    """The demo sample, float32 ``[samples]`` at 16 kHz."""
    samples: FloatArray = soundfile.read(ser_rt.sample_path(), dtype="float32")[0]
    return samples


def test_engine_overhead(benchmark: BenchmarkFixture, sample: FloatArray) -> None:
    """Windows, speech gate, smoothing and JSON, from chunks of 100 ms."""
    starts = range(0, len(sample) - CHUNK + 1, CHUNK)
    chunks = [AudioChunk(sample[i : i + CHUNK], start=i, captured_at=0.0) for i in starts]

    def stream_all() -> int:
        engine = make_engine(FakeClassifier(), StreamSettings(gate_threshold=0.0))
        return sum(len(event.to_json()) for event in engine.run(chunks))

    assert benchmark(stream_all) > 0
    what = "engine without the model, per 100 ms of audio"
    note(benchmark, Figure(what, "ms", 0.2, per_s=1e3 / len(chunks)))


def test_model(benchmark: BenchmarkFixture, sample: FloatArray) -> None:
    classifier = ser_rt.load("compact", threads=1)
    window = sample[np.newaxis, : 3 * RATE_HZ]
    assert benchmark(classifier, window).shape == (1, len(classifier.labels))
    note(benchmark, Figure("built-in model, window of 3 s, one core", "ms", 5.0, per_s=1e3))


def test_file_mode(benchmark: BenchmarkFixture, sample: FloatArray) -> None:
    classifier = ser_rt.load("compact", threads=1)

    def stream_file() -> int:
        events = ser_rt.stream(ser_rt.sample_path(), model=classifier, gate_threshold=0.0)
        return sum(event.type == "emotion" for event in events)

    assert benchmark(stream_file) > 0
    what = "file mode, default hop, speech gate off, one core"
    audio_s = len(sample) / RATE_HZ
    note(benchmark, Figure(what, "× real time", 100, at_most=False, audio_s=audio_s))
