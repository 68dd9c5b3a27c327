"""Each run of the suites carries the machine, the versions and the commit."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from ser_rt.benchmarks.measure.compare import BLOCKS
from ser_rt.benchmarks.measure.machine import stamp

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture

ROUNDS = 20 * BLOCKS


def pytest_benchmark_update_machine_info(config: object, machine_info: dict[str, Any]) -> None:
    del config
    machine_info["ser_rt"] = stamp()


def interpret() -> None:
    """Take about a millisecond of Python."""
    counts: dict[int, int] = {}
    for number in range(8_000):
        counts[number % 97] = counts.get(number % 89, 0) + number


NOISE = np.random.default_rng(0).standard_normal((8, 9_600)).astype(np.float32)


def compute() -> None:
    """Take about a millisecond of arithmetic on one core."""
    np.abs(np.fft.rfft(NOISE, axis=1)).sum()


CALIBRATIONS: dict[str, Callable[[], None]] = {"interpret": interpret, "compute": compute}
"""Calibrations: the divisor of a hot path's time, measured before each of its rounds."""


@pytest.fixture
def hot(benchmark: BenchmarkFixture) -> Callable[[Callable[[], object], str], None]:
    """Time a function in turns with a calibration, and note their ratio over the run."""

    def run(function: Callable[[], object], calibration: str) -> None:
        calibrate = CALIBRATIONS[calibration]
        before_s: list[float] = []

        def setup() -> None:
            started = time.process_time()
            calibrate()
            before_s.append(time.process_time() - started)

        benchmark.pedantic(function, setup=setup, rounds=ROUNDS, warmup_rounds=5)
        if benchmark.disabled or benchmark.stats is None:
            return
        times = np.array(benchmark.stats.stats.data).reshape(BLOCKS, -1)
        calibrations = np.array(before_s[-ROUNDS:]).reshape(BLOCKS, -1)
        ratios = np.median(times, axis=1) / np.median(calibrations, axis=1)
        benchmark.extra_info["hot_path"] = {
            "calibration": calibration,
            "ratios": ratios.round(5).tolist(),
        }

    return run
