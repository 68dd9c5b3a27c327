"""Channels that say nothing of their own, told once, wherever the blocks are cut."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ser_rt.audio.block import SourceWarning
from ser_rt.audio.channel_monitor import ChannelMonitor
from tests.conftest import RATE, Wave, make_wave

ONE, OTHER = make_wave(40, seed=1), make_wave(40, seed=2)
ZERO = np.zeros(40 * RATE, np.float32)


def told(*channels: Wave, seconds: float = 40, size: int = 4_801, scale: int = 0) -> list[str]:
    samples = np.stack(channels, axis=1)[: round(seconds * RATE)]
    if scale:
        samples = np.clip(samples * scale, -32768, 32767).astype(np.int16)
    monitor = ChannelMonitor(RATE, samples.shape[1])
    found: list[SourceWarning] = []
    for start in range(0, len(samples), size):
        found += monitor.feed(samples[start : start + size])
    return [warning.code for warning in (*found, *monitor.finish())]


@pytest.mark.parametrize("size", [997, 40 * RATE])
@pytest.mark.parametrize("scale", [0, 32768])
def test_each_fault_is_told_once(size: int, scale: int) -> None:
    how: Any = {"size": size, "scale": scale}
    assert told(ONE, OTHER, **how) == []
    assert told(ONE, ONE, **how) == ["identical_channels"]
    assert told(ONE, -ONE, **how) == ["opposite_channels"]
    assert told(ONE, ZERO, **how) == ["silent_channel"]
    assert told(ZERO, ZERO, **how) == []


def test_a_speaker_may_wait_half_a_minute_and_a_short_call_is_judged_at_its_end() -> None:
    late = OTHER.copy()
    late[: 25 * RATE] = 0
    assert told(ONE, late) == []
    assert told(ONE, ZERO, seconds=5) == ["silent_channel"]
    assert told(ONE, late, seconds=10) == ["silent_channel"]


def test_an_echo_is_another_voice() -> None:
    assert told(ONE, (0.8 * ONE + 0.2 * OTHER).astype(np.float32)) == []


def test_three_channels_are_only_asked_for_sound() -> None:
    assert told(ONE, ONE, ZERO) == ["silent_channel"]
