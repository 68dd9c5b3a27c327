"""Live audio for minutes in compressed time; for an hour, and in real time, behind a marker.

pytest -m slow tests/runtime/test_soak.py    # 16 minutes
"""

from __future__ import annotations

import gc
import itertools
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest

import ser_rt
from ser_rt.audio.chunk import AudioChunk, AudioSource
from ser_rt.audio.recording import Tee
from ser_rt.audio.sources.microphone import MicrophoneSource
from ser_rt.audio.sources.push import PushSource
from ser_rt.runtime.backends.onnx_classifier import OnnxClassifier
from ser_rt.runtime.engine import make_engine
from ser_rt.runtime.settings import StreamSettings
from ser_rt.testing import FakeClassifier
from tests.conftest import RATE, make_wave
from tests.support.fake_driver import FakeDriver

BLOCK = 480
"""A device of 48 kHz delivers 10 ms at once."""


class Pulled(AudioSource):
    """Chunks that a test makes, as a source."""

    def __init__(self, chunks: Iterator[AudioChunk]) -> None:
        self._chunks = chunks

    def __iter__(self) -> Iterator[AudioChunk]:
        return self._chunks


def an_hour(driver: FakeDriver, source: MicrophoneSource, seconds: int) -> Iterator[AudioChunk]:
    """The chunks of a microphone whose device and reader take turns."""
    wave = make_wave(10, 48_000)
    chunks = iter(source)
    for i in range(seconds * 100):
        start = i * BLOCK % (len(wave) - BLOCK)
        driver.stream.deliver(wave[start : start + BLOCK])
        yield next(chunks)


@pytest.mark.parametrize("seconds", [300, pytest.param(3600, marks=pytest.mark.slow)])
def test_an_hour_of_live_audio_loses_no_sample_and_no_memory(seconds: int) -> None:
    driver = FakeDriver(rates=(48_000,))
    source = MicrophoneSource(rate=48_000, driver=driver, clock=driver.clock)
    received, counts = 0, {"emotion": 0, "warning": 0}
    resident: list[int] = []

    def watched(chunks: Iterator[AudioChunk]) -> Iterator[AudioChunk]:
        nonlocal received
        for number, chunk in enumerate(chunks):
            assert chunk.start == received
            received += len(chunk.samples)
            if number % 6_000 == 5_999:
                gc.collect()
                resident.append(psutil.Process().memory_info().rss)
            yield chunk

    with source:
        model = FakeClassifier()
        engine = make_engine(model, StreamSettings(vad=False), clock=driver.clock)
        for event in engine.run(watched(an_hour(driver, source, seconds))):
            counts[event.type] += 1
    assert source.dropped_samples == 0
    assert seconds * RATE - received < 0.05 * RATE
    assert counts == {"emotion": 2 * seconds - 1, "warning": 0}
    assert max(resident) - resident[0] < 5_000_000
    assert source.drift_ppm == pytest.approx(0, abs=0.1)


def test_a_hundred_starts_and_stops_leave_nothing_behind(classifier: OnnxClassifier) -> None:
    process, wave = psutil.Process(), make_wave(1.2)

    def once() -> None:
        with ser_rt.open_stream(sample_rate=RATE, model=classifier) as stream:
            stream.push(wave)
        source = PushSource(RATE)
        source.push(wave)
        source.end()
        for _ in ser_rt.stream(source, model=classifier):
            pass
        driver = FakeDriver()
        with MicrophoneSource(driver=driver, clock=driver.clock) as microphone:
            driver.stream.deliver(wave)
            next(iter(microphone))

    for _ in range(10):
        once()
    gc.collect()
    threads, files, memory = process.num_threads(), process.num_fds(), process.memory_info().rss
    for _ in range(100):
        once()
    gc.collect()
    few = 10  # not one each; what other tests left may come and go meanwhile
    assert abs(process.num_threads() - threads) < few
    assert abs(process.num_fds() - files) < few
    assert process.memory_info().rss - memory < 5_000_000


@pytest.mark.parametrize("hours", [0.2, pytest.param(10, marks=pytest.mark.slow)])
@pytest.mark.timeout(1000)
def test_a_network_with_caches_is_after_ten_hours_what_it_was(
    streaming_bundle: Path, hours: float
) -> None:
    model, wave = ser_rt.load(streaming_bundle), make_wave(60)
    settings = StreamSettings(vad=False, gate_threshold=0, half_life_s=0, hop_s=1.0)
    last_s = 30
    parts, per_part = 10, round(360 * hours)
    begin = (parts * per_part - last_s) * RATE
    engine, fresh = make_engine(model, settings), make_engine(model, settings)
    cpu_s, resident = [], []
    there: list[list[float]] = []
    wanted: list[list[float]] = []
    for part in range(parts):
        started = time.process_time()
        for second in range(part * per_part, (part + 1) * per_part):
            place = second % 60 * RATE
            chunk = AudioChunk(wave[place : place + RATE], second * RATE, 0.0)
            events = list(engine.feed(chunk))
            if second * RATE >= begin:
                there += [list(event.probabilities.values()) for event in events]
                wanted += [list(e.probabilities.values()) for e in fresh.feed(chunk)]
        cpu_s.append(time.process_time() - started)
        gc.collect()
        resident.append(psutil.Process().memory_info().rss)
    # Once the fresh stream has filled its 3 s, it holds all that an answer depends on.
    np.testing.assert_allclose(there[3:], wanted[3:], atol=1e-6)
    assert np.abs(np.subtract(there[0], wanted[0])).max() > 1e-3
    assert np.ptp(there, axis=0).max() > 0.05
    assert max(resident[1:]) - resident[0] < 5_000_000
    if hours > 1:  # a part of a short run is over before a clock or a neighbour would be noticed
        assert max(cpu_s[1:]) < 1.5 * np.median(cpu_s)


@pytest.mark.slow
@pytest.mark.timeout(1000)
def test_fifteen_minutes_in_real_time(classifier: OnnxClassifier) -> None:
    wave, seconds = make_wave(10, 48_000), 15 * 60
    driver = FakeDriver(rates=(48_000,))
    source = MicrophoneSource(rate=48_000, driver=driver)
    totals: list[float] = []
    resident: list[int] = []
    received = 0

    def count(chunk: AudioChunk) -> None:
        nonlocal received
        assert chunk.start == received
        received += len(chunk.samples)

    def device() -> Iterator[AudioChunk]:
        chunks, started = iter(source), time.monotonic()
        for i in itertools.count(1):
            time.sleep(max(0.0, started + i * BLOCK / 48_000 - time.monotonic()))
            start = i * BLOCK % (len(wave) - BLOCK)
            driver.stream.deliver(wave[start : start + BLOCK])
            yield next(chunks)
            if i * BLOCK >= seconds * 48_000:
                return

    with source:
        for event in ser_rt.stream(Tee(Pulled(device()), count), model=classifier, vad=False):
            totals.append(event.latency_ms.get("total", 0.0))
            if len(totals) % 120 == 100:
                resident.append(psutil.Process().memory_info().rss)
    assert source.dropped_samples == 0
    assert seconds * RATE - received < 0.05 * RATE
    assert max(resident) - resident[0] < 5_000_000
    assert abs(source.drift_ppm or 0.0) < 50
    assert np.percentile(totals, 95) < 60
