"""Latency and load of a stream from a microphone: a virtual one.

pytest benchmarks/suites/test_live_bench.py --benchmark-only --benchmark-enable    # three minutes
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
import soundfile
import soxr
from pytest_benchmark.fixture import BenchmarkFixture

import ser_rt
from ser_rt.benchmarks.report.targets import Figure, note
from tests.support.pulse_server import Pulse, why_not

STREAM_S = 40.0
pytestmark = [
    pytest.mark.skipif(why_not() is not None, reason=f"no virtual microphone: {why_not()}"),
    pytest.mark.timeout(300),
]


@pytest.fixture
def pulse(tmp_path: Path) -> Iterator[Pulse]:
    with Pulse(tmp_path / "pulse") as daemon:
        yield daemon


def stream(pulse: Pulse, speech: Path | None, *flags: str) -> tuple[dict[str, Any], float]:
    """Stream for a while; return the summary and the share of one core."""
    command = [sys.executable, "-m", "ser_rt.commands.stream", "--mic", "--device", "pulse", "-q"]
    process = subprocess.Popen(
        [*command, "--format", "jsonl", *flags],
        env=pulse.env | {"PYTHONPATH": str(Path.cwd())},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout
    process.stdout.readline()  # it has started
    watched = psutil.Process(process.pid)
    before, started = sum(watched.cpu_times()[:2]), time.monotonic()
    if speech is None:
        time.sleep(STREAM_S)
    else:
        pulse.play(speech)
    share = (sum(watched.cpu_times()[:2]) - before) / (time.monotonic() - started)
    process.terminate()
    *_, summary = process.communicate(timeout=10)[0].splitlines()
    found: dict[str, Any] = json.loads(summary)
    return found, share


@pytest.fixture
def speech(tmp_path: Path) -> Path:
    """The sample, to be played."""
    samples, rate_hz = soundfile.read(ser_rt.sample_path(), dtype="float32")
    soundfile.write(tmp_path / "speech.wav", soxr.resample(samples, rate_hz, 48_000), 48_000)
    return tmp_path / "speech.wav"


@pytest.mark.parametrize("rate", [16_000, 48_000])
def test_latency(benchmark: BenchmarkFixture, pulse: Pulse, speech: Path, rate: int) -> None:
    found: list[dict[str, Any]] = []
    flag = f"--rate={rate}"
    benchmark.pedantic(lambda: found.append(stream(pulse, speech, flag)[0]), rounds=1)
    assert found[0]["dropped_samples"] == found[0]["skipped_windows"] == 0
    what = f"microphone at {rate // 1000} kHz, last sample to event, 95th percentile"
    note(benchmark, Figure(what, "ms", 60, value=found[0]["latency_ms"]["total"]["p95"]))


@pytest.mark.parametrize(("what", "target"), [("speech", 15.0), ("silence", 3.0)])
def test_load(
    benchmark: BenchmarkFixture, pulse: Pulse, speech: Path, what: str, target: float
) -> None:
    shares: list[float] = []
    played = speech if what == "speech" else None
    benchmark.pedantic(lambda: shares.append(stream(pulse, played)[1]), rounds=1)
    figure = Figure(f"microphone, streaming {what}", "% of a core", target)
    note(benchmark, replace(figure, value=100 * shares[0]))
