import numpy as np
import pytest

from ser_rt.audio.chunk import AudioChunk
from ser_rt.errors import ConfigError
from ser_rt.runtime.engine import make_engine
from ser_rt.runtime.episodes import EpisodeTracker, Lag
from ser_rt.runtime.event import EmotionEvent, Event, NoSpeechEvent, WarningEvent
from ser_rt.runtime.hysteresis import Hysteresis
from ser_rt.runtime.settings import HysteresisSettings, StreamSettings
from ser_rt.testing import FakeClassifier
from tests.conftest import RATE, make_wave


def decide(
    how: HysteresisSettings, shares: list[float | None], hop_s: float = 0.5
) -> list[int | None]:
    """Names for the probability of emotion 0 of two, a result every hop."""
    decider = Hysteresis(StreamSettings(hysteresis=how).naming_for(None))
    return [
        decider.update(None if p is None else np.array([p, 1 - p], np.float32), i * hop_s)
        for i, p in enumerate(shares)
    ]


def test_as_it_is_the_likeliest_is_named() -> None:
    assert decide(HysteresisSettings(), [0.6, 0.4, 0.51, None, 0.3]) == [0, 1, 0, None, 1]


def test_a_new_emotion_must_reach_the_entry_threshold() -> None:
    assert decide(HysteresisSettings(enter=0.7), [0.6, 0.8, 0.4, 0.2]) == [None, 0, 0, 1]


def test_the_named_one_stays_while_it_is_above_the_exit_threshold() -> None:
    assert decide(HysteresisSettings(leave=0.3), [0.8, 0.4, 0.2]) == [0, 0, 1]


def test_a_name_is_held_for_a_while() -> None:
    assert decide(HysteresisSettings(hold_s=1.0), [0.9, 0.1, 0.1, 0.9]) == [0, 0, 1, 1]


def test_silence_ends_what_was_held() -> None:
    assert decide(HysteresisSettings(hold_s=9), [0.9, None, 0.1]) == [0, None, 1]


def test_below_a_threshold_nothing_is_named() -> None:
    assert decide(HysteresisSettings(unsure=0.6), [0.9, 0.55, 0.3, 0.45]) == [0, None, 1, None]


@pytest.mark.parametrize(
    "bad", [{"enter": 1.1}, {"leave": -1}, {"unsure": float("nan")}, {"hold_s": -1}]
)
def test_bad_settings_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=next(iter(bad)).removesuffix("_s")):
        HysteresisSettings(**bad)


def result(start: float, end: float, emotion: str | None, confidence: float = 0.5) -> Event:
    if emotion is None:
        return NoSpeechEvent(seq=0, start=start, end=end)
    return EmotionEvent(seq=0, start=start, end=end, emotion=emotion, confidence=confidence)


def test_episodes_have_onset_peak_and_offset() -> None:
    tracker = EpisodeTracker()
    results = [
        result(0, 1, "Joy", 0.5), result(0, 1.5, "Joy", 0.8), result(0, 2, "Joy", 0.7),
        result(0, 2.5, "Sad", 0.6), result(0, 3, None), result(0.5, 3.5, None),
        result(9, 10, "Sad"), result(20, 21, "Sad"),
    ]  # fmt: skip
    ended = [episode for each in results if (episode := tracker.update(each))]
    last = tracker.flush()
    assert last is not None
    assert tracker.flush() is None
    assert [(e.emotion, e.start, e.peak, e.end, e.confidence) for e in [*ended, last]] == [
        ("Joy", 0, 1.5, 2, 0.8),
        ("Sad", 2, 2.5, 2.5, 0.6),
        ("Sad", 9, 10, 10, 0.5),
        ("Sad", 20, 21, 21, 0.5),
    ]
    assert "probabilities" not in ended[0].to_dict()
    assert ended[0].to_dict()["peak"] == 1.5


def test_episodes_of_a_recording_are_where_they_sounded() -> None:
    """Joy from 1 s to 6 s, then Sad to 9 s, then nothing, as windows of 3 s find them."""
    tracker, found = EpisodeTracker(Lag(half_life_s=0.5, gate_threshold=0.1)), []
    results = [result(0, 1.0, None), result(0, 1.5, "Sad")]  # a first guess
    results += [result(max(0, t - 3), t, "Joy", 0.5 + t / 20) for t in (2, 3, 4, 5, 6, 7, 8)]
    results += [result(t - 3, t, "Sad", 0.6) for t in (9, 10, 11)]
    results += [result(t - 3, t, None) for t in (12, 13)]
    for each in results:
        found += [episode for episode in [tracker.update(each)] if episode]
    assert tracker.flush() is None
    joy, sad = found
    assert (joy.emotion, sad.emotion) == ("Joy", "Sad")
    assert joy.start == pytest.approx(1.0)
    assert joy.end == sad.start == pytest.approx(6.0)
    assert sad.end == pytest.approx(8.3)
    assert joy.peak == 6.0


@pytest.mark.parametrize("is_live", [True, False])
def test_the_lag_is_taken_back_unless_it_is_live(is_live: bool) -> None:  # noqa: FBT001 (a parameter)
    now_s = 0.0
    settings = StreamSettings(vad=False, episodes=True)
    engine = make_engine(FakeClassifier(), settings, clock=lambda: now_s)
    wave = make_wave(12.0)
    wave[5 * RATE :] = 0
    events: list[Event] = []
    for second in range(12):
        now_s = second + 1.0
        piece = wave[second * RATE : (second + 1) * RATE]
        events += engine.feed(AudioChunk(piece, second * RATE, now_s, is_live))
    ended = [event.end for event in events if event.type == "episode"]
    assert (ended[-1] < 6) is not is_live


def test_a_warning_ends_no_episode() -> None:
    tracker = EpisodeTracker()
    tracker.update(result(0, 1, "Joy"))
    assert tracker.update(WarningEvent(seq=1, start=1, end=1, code="overflow", message="")) is None
    assert tracker.now is not None


def test_unsure_is_held_against_what_is_shown_and_names_against_what_is_believed() -> None:
    how = HysteresisSettings(enter=0.8, unsure=0.6)
    decider = Hysteresis(StreamSettings(hysteresis=how).naming_for(None))
    sure, calmer = np.array([0.9, 0.1], np.float32), np.array([0.7, 0.3], np.float32)
    calmest = np.array([0.55, 0.45], np.float32)
    assert decider.update(sure, 0.5, calmer) == 0
    assert decider.update(sure, 1.0, calmest) is None
    assert decider.update(1 - sure, 1.5, 1 - calmer) == 1
