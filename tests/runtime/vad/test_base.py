import itertools
from collections.abc import Callable

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from ser_rt.bundle import sample_path
from ser_rt.errors import BundleInvalidError, ConfigError
from ser_rt.runtime.vad import silero
from ser_rt.runtime.vad.base import FrameVad, LevelDetector, SpeechShare
from ser_rt.runtime.vad.settings import VadSettings
from ser_rt.runtime.vad.silero import FRAME, SileroDetector
from tests.conftest import RATE, Wave, make_wave


def voice(seconds: float = 6.0) -> Wave:
    samples: Wave = soundfile.read(sample_path(), dtype="float32", stop=round(seconds * RATE))[0]
    return samples


def level_vad() -> FrameVad:
    return FrameVad(LevelDetector(RATE))


def silero_vad() -> FrameVad:
    return FrameVad(SileroDetector())


def shares(vad: FrameVad, wave: Wave, sizes: list[int]) -> list[SpeechShare]:
    """The speech of a window of a second at every half second."""
    found, start = [], 0
    for size in itertools.cycle(sizes):
        end = min(start + size, len(wave))
        for cut in range(-(-(start + 1) // 8000) * 8000, end + 1, 8000):
            vad.feed(wave[start:cut], start)
            found.append(vad.speech(max(0, cut - RATE), cut))
            start = cut
        vad.feed(wave[start:end], start)
        start = end
        if start >= len(wave):
            return found
    raise AssertionError


def test_the_level_vad_counts_loud_frames() -> None:
    half = np.concatenate([np.zeros(RATE, np.float32), np.full(RATE, 0.1, np.float32)])
    vad = level_vad()
    vad.feed(half, 0)
    assert vad.speech(0, 2 * RATE) == (0.5, 0.5)
    just_below = np.full(RATE, 10 ** (-55.1 / 20), np.float32)
    for wave, expected in ((half[:RATE], 0), (just_below, 0), (just_below * 1.02, 1)):
        vad = level_vad()
        vad.feed(wave, 0)
        assert vad.speech(0, len(wave)).share == expected


@pytest.mark.parametrize("make", [level_vad, silero_vad])
def test_audio_of_less_than_a_frame_has_an_answer(make: Callable[[], FrameVad]) -> None:
    vad = make()
    vad.feed(np.full(3, 0.5, np.float32), 0)
    assert 0 <= vad.speech(0, 3).probability <= 1


@pytest.mark.parametrize("make", [level_vad, silero_vad])
def test_chunking_never_changes_what_a_vad_detects(make: Callable[[], FrameVad]) -> None:
    wave = voice(4)
    whole = shares(make(), wave, [len(wave)])
    for sizes in ([160], [997], [1, 3000, 511]):
        assert shares(make(), wave, sizes) == whole


def test_the_network_knows_a_voice_from_noise_and_silence() -> None:
    speaking = shares(silero_vad(), voice(), [1600])
    assert max(speech.share for speech in speaking) > 0.9
    assert max(speech.probability for speech in speaking) > 0.8
    for other in (make_wave(6), np.zeros(6 * RATE, np.float32)):
        assert max(speech.share for speech in shares(silero_vad(), other, [1600])) == 0


def test_a_gap_is_forgotten_over() -> None:
    wave = voice(4)
    fresh, vad = silero_vad(), silero_vad()
    fresh.feed(wave, 0)
    vad.feed(voice(3)[::-1].copy(), 0)
    vad.feed(wave, 10 * RATE)
    assert vad.speech(10 * RATE, 10 * RATE + len(wave)) == fresh.speech(0, len(wave))


class Script(SileroDetector):
    """Probabilities of a list, a frame each."""

    def __init__(self, probabilities: list[float], **how: float) -> None:
        super().__init__(VadSettings(**how))
        self._script = iter(probabilities)

    def _probability(self, _frame: Wave) -> float:
        return next(self._script)


def verdicts(probabilities: list[float], **how: float) -> str:
    is_speech: list[bool] = []
    detector = Script(probabilities, **how)
    frames = np.ones((len(probabilities), FRAME), np.float32)
    assert detector.detect(frames, is_speech) == probabilities
    return "".join("x" if verdict else "." for verdict in is_speech)


def test_speech_reaches_back_bridges_pauses_and_needs_both_thresholds() -> None:
    times = {"min_silence_s": 3 * 0.032, "speech_pad_s": 2 * 0.032}
    steady = [0.1, 0.1, 0.1, 0.9, 0.4, 0.4, 0.4, 0.4]
    assert verdicts(steady, **times) == ".xxxxxxx"
    assert verdicts([0.4, 0.4, 0.4], **times) == "..."
    assert verdicts([0.9, 0.1, 0.1, 0.9, 0.1, 0.1, 0.1, 0.1], **times) == "xxxx...."
    assert verdicts(steady, neg_threshold=0.45, **times) == ".xxx...."


@settings(max_examples=30)
@given(st.lists(st.sampled_from([0.0, 0.4, 0.9]), min_size=1, max_size=60))
def test_what_was_said_of_a_window_does_not_depend_on_what_follows(script: list[float]) -> None:
    for count in range(1, len(script) + 1):
        assert len(verdicts(script[:count])) == count
    assert verdicts(script).count("x") >= (script[-1] == 0.9)


@pytest.mark.parametrize(
    "bad",
    [
        {"threshold": 1.5},
        {"threshold": 0.3, "neg_threshold": 0.4},
        {"min_silence_s": -1.0},
        {"speech_pad_s": float("nan")},
    ],
)
def test_bad_settings_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="vad"):
        VadSettings(**bad)


def test_another_network_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(silero, "MODEL_SHA256", "0" * 64)
    with pytest.raises(BundleInvalidError, match="reinstall"):
        SileroDetector()


@pytest.mark.parametrize("make", [level_vad, silero_vad])
def test_a_result_within_the_first_frame_adds_none_to_those_that_follow(
    make: Callable[[], FrameVad],
) -> None:
    wave = voice(3.0)
    asked, plain = make(), make()
    asked.feed(wave[:100], 0)
    asked.speech(0, 100)
    asked.feed(wave[100:], 100)
    plain.feed(wave[100:], 100)
    assert asked.speech(RATE, len(wave)) == plain.speech(RATE, len(wave))
