from __future__ import annotations

import io

import numpy as np
import pytest
import soundfile

from ser_rt.audio.chunk import AudioChunk
from ser_rt.report.sound import KBPS, Mp3
from tests.conftest import RATE, Wave, make_wave

DELAY_S = 0.1
"""An encoder pads what it takes by a few frames."""


def level(samples: Wave, from_s: float, to_s: float) -> float:
    return float(np.sqrt(np.mean(samples[int(from_s * RATE) : int(to_s * RATE)] ** 2)))


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_two_channels_stay_two_and_more_are_mixed(channels: int) -> None:
    sound, wave = Mp3(RATE), make_wave(12.0)
    for second in range(12):
        piece = wave[second * RATE : (second + 1) * RATE]
        for channel in range(1, channels + 1):
            is_silent = channel > 1 or second in (4, 5)
            sound.feed(AudioChunk(piece * (not is_silent), second * RATE, 0.0, channel=channel))
    data = sound.finish()
    found, rate = soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)
    assert (rate, found.shape[1]) == (RATE, 2 if channels == 2 else 1)
    assert len(data) == pytest.approx(12 * found.shape[1] * KBPS * 1000 / 8, rel=0.05)
    assert len(found) / RATE == pytest.approx(12.0, abs=DELAY_S)
    assert level(found[:, 0], 0.5, 3.5) == pytest.approx(level(wave, 0.5, 3.5), rel=0.2)
    assert level(found[:, 0], 4.3, 5.7) < 0.02
    if channels == 2:
        assert level(found[:, 1], 0.5, 11.5) < 0.02


def test_a_gap_in_the_stream_keeps_its_time() -> None:
    sound, wave = Mp3(RATE), make_wave(2.0)
    sound.feed(AudioChunk(wave, 0, 0.0))
    sound.feed(AudioChunk(wave, 5 * RATE, 0.0))
    found, _ = soundfile.read(io.BytesIO(sound.finish()), dtype="float32")
    assert len(found) / RATE == pytest.approx(7.0, abs=DELAY_S)
    assert level(found, 2.5, 4.5) < 0.01 < level(found, 5.5, 6.5)


def test_a_minute_takes_as_many_bytes_as_it_says() -> None:
    sound = Mp3(RATE)
    sound.feed(AudioChunk(make_wave(60.0), 0, 0.0))
    assert len(sound.finish()) == pytest.approx(60 * KBPS * 1000 / 8, rel=0.05)
    assert Mp3(RATE).finish() == b""
