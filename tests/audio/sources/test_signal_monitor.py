import numpy as np
import pytest

from ser_rt.audio.sources.signal_monitor import Drift, SignalMonitor
from tests.conftest import RATE, Wave, make_wave

BLOCK = 320


def codes(wave: Wave) -> list[str]:
    health, found = SignalMonitor(RATE), []
    for end in range(BLOCK, len(wave) + 1, BLOCK):
        block = wave[end - BLOCK : end, np.newaxis]
        found += [warning.code for warning in health.feed(block, end, end / RATE)]
    return found


def test_a_good_signal_has_nothing_to_say() -> None:
    assert codes(make_wave(30)) == []


@pytest.mark.parametrize(
    ("wave", "code"),
    [
        (np.clip(np.random.default_rng(1).standard_normal(10 * RATE), -1, 1), "clipping"),
        (make_wave(10) * 0.2 + 0.2, "dc_offset"),
        (np.zeros(10 * RATE, np.float32), "digital_silence"),
    ],
)
def test_each_fault_is_said_once(wave: Wave, code: str) -> None:
    assert codes(wave.astype(np.float32)) == [code]


def test_a_fault_that_comes_back_is_said_again() -> None:
    silence = np.zeros(4 * RATE, np.float32)
    assert codes(np.concatenate([silence, make_wave(4), silence])) == ["digital_silence"] * 2


@pytest.mark.parametrize("ppm", [0.0, 120.0, -800.0])
def test_drift_is_found_behind_the_jitter_of_delivery(ppm: float) -> None:
    rng, drift = np.random.default_rng(3), Drift(RATE)
    for end in range(BLOCK, 300 * RATE, BLOCK):
        true_s = end / RATE / (1 + ppm * 1e-6)
        drift.feed(end, true_s + float(rng.exponential(0.004)))
    assert drift.ppm == pytest.approx(ppm, abs=5)


def test_a_wild_clock_is_a_warning() -> None:
    health, found = SignalMonitor(RATE), []
    for end in range(BLOCK, 60 * RATE, BLOCK):
        block = np.full((BLOCK, 1), 0.01, np.float32)
        found += [w.code for w in health.feed(block, end, end / RATE * 0.998)]
    assert found == ["clock_drift"]
