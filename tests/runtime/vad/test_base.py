import itertools
from collections.abc import Callable

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from ser_rt.bundle import sample_path
from ser_rt.errors import BundleInvalidError, ConfigError
from ser_rt.runtime.vad import silero as vad
from ser_rt.runtime.vad.base import FrameVad, LevelVad, SpeechShare
from ser_rt.runtime.vad.silero import FRAME, SileroVad
from tests.conftest import RATE, Wave, make_wave


def voice(seconds: float = 6.0) -> Wave:
    samples: Wave = soundfile.read(sample_path(), dtype="float32", stop=round(seconds * RATE))[0]
    return samples


def level_gate() -> FrameVad:
    return LevelVad(RATE)


def heard(gate: FrameVad, wave: Wave, sizes: list[int]) -> list[SpeechShare]:
    """The speech of a window of a second at every half second."""
    found, start = [], 0
    for size in itertools.cycle(sizes):
        end = min(start + size, len(wave))
        for cut in range(-(-(start + 1) // 8000) * 8000, end + 1, 8000):
            gate.feed(wave[start:cut], start)
            found.append(gate.heard(max(0, cut - RATE), cut))
            start = cut
        gate.feed(wave[start:end], start)
        start = end
        if start >= len(wave):
            return found
    raise AssertionError


def test_the_level_gate_counts_loud_frames() -> None:
    half = np.concatenate([np.zeros(RATE, np.float32), np.full(RATE, 0.1, np.float32)])
    gate = LevelVad(RATE)
    gate.feed(half, 0)
    assert gate.heard(0, 2 * RATE) == (0.5, 0.5)
    just_below = np.full(RATE, 10 ** (-55.1 / 20), np.float32)
    for wave, expected in ((half[:RATE], 0), (just_below, 0), (just_below * 1.02, 1)):
        gate = LevelVad(RATE)
        gate.feed(wave, 0)
        assert gate.heard(0, len(wave)).share == expected


@pytest.mark.parametrize("make", [level_gate, SileroVad])
def test_audio_of_less_than_a_frame_has_an_answer(make: Callable[[], FrameVad]) -> None:
    gate = make()
    gate.feed(np.full(3, 0.5, np.float32), 0)
    assert 0 <= gate.heard(0, 3).probability <= 1


@pytest.mark.parametrize("make", [level_gate, SileroVad])
def test_chunking_never_changes_what_a_gate_hears(make: Callable[[], FrameVad]) -> None:
    wave = voice(4)
    whole = heard(make(), wave, [len(wave)])
    for sizes in ([160], [997], [1, 3000, 511]):
        assert heard(make(), wave, sizes) == whole


def test_the_network_knows_a_voice_from_noise_and_silence() -> None:
    speaking = heard(SileroVad(), voice(), [1600])
    assert max(speech.share for speech in speaking) > 0.9
    assert max(speech.probability for speech in speaking) > 0.8
    for other in (make_wave(6), np.zeros(6 * RATE, np.float32)):
        assert max(speech.share for speech in heard(SileroVad(), other, [1600])) == 0


def test_a_gap_is_forgotten_over() -> None:
    wave = voice(4)
    fresh, gate = SileroVad(), SileroVad()
    fresh.feed(wave, 0)
    gate.feed(voice(3)[::-1].copy(), 0)
    gate.feed(wave, 10 * RATE)
    assert gate.heard(10 * RATE, 10 * RATE + len(wave)) == fresh.heard(0, len(wave))


class Script(SileroVad):
    """Probabilities as told, a frame each."""

    def __init__(self, probabilities: list[float], **how: float) -> None:
        super().__init__(**how)
        self._script = iter(probabilities)

    def _probability(self, _frame: Wave) -> float:
        return next(self._script)


def verdicts(probabilities: list[float], **how: float) -> str:
    gate = Script(probabilities, **how)
    gate.feed(np.ones(len(probabilities) * FRAME, np.float32), 0)
    return "".join("x" if is_speech else "." for is_speech in gate._is_speech)


def test_speech_reaches_back_bridges_pauses_and_needs_both_thresholds() -> None:
    times = {"min_silence_s": 3 * 0.032, "pre_roll_s": 2 * 0.032}
    steady = [0.1, 0.1, 0.1, 0.9, 0.4, 0.4, 0.4, 0.4]
    assert verdicts(steady, **times) == ".xxxxxxx"
    assert verdicts([0.4, 0.4, 0.4], **times) == "..."
    assert verdicts([0.9, 0.1, 0.1, 0.9, 0.1, 0.1, 0.1, 0.1], **times) == "xxxx...."
    assert verdicts(steady, negative_threshold=0.45, **times) == ".xxx...."


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sampled_from([0.0, 0.4, 0.9]), min_size=1, max_size=60))
def test_what_was_said_of_a_window_does_not_depend_on_what_follows(script: list[float]) -> None:
    for count in range(1, len(script) + 1):
        assert len(verdicts(script[:count])) == count
    assert verdicts(script).count("x") >= (script[-1] == 0.9)


@pytest.mark.parametrize(
    "bad",
    [
        {"threshold": 1.5},
        {"threshold": 0.3, "negative_threshold": 0.4},
        {"min_silence_s": -1.0},
        {"pre_roll_s": float("nan")},
    ],
)
def test_bad_settings_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="vad_"):
        SileroVad(**bad)


def test_another_network_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    vad._session.cache_clear()
    monkeypatch.setattr(vad, "MODEL_SHA256", "0" * 64)
    with pytest.raises(BundleInvalidError, match="reinstall"):
        SileroVad()
