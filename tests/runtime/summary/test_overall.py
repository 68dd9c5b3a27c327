"""The emotion of a whole recording, and what a summary says of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import ser_rt
from ser_rt.runtime.event import UNSURE, EmotionEvent, Event, NoSpeechEvent
from ser_rt.runtime.recognizers.recognizer import Posterior
from ser_rt.runtime.summary.highlights import Highlights
from ser_rt.runtime.summary.overall import Overall
from ser_rt.testing import FakeClassifier
from tests.conftest import RATE, make_wave

LABELS = ("Joy", "Sad")


def window(
    start_s: float, end_s: float, joy: float | None, speech: float = 1.0, *, partial: bool = False
) -> Posterior:
    shares = None if joy is None else np.array([joy, 1 - joy], np.float32)
    return Posterior(start_s, end_s, shares, speech, partial, 0.0, {})


def overall(*windows: Posterior) -> Overall:
    found = Overall(LABELS)
    for each in windows:
        found.add(each)
    return found


def test_windows_count_by_their_speech() -> None:
    found = overall(window(0, 3, 0.9, 0.5), window(3, 6, 0.1, 1.0), window(6, 9, None, 0.0))
    result = found.result(9.0)
    assert result.emotion == "Sad"
    joy, sad = (p**0.5 * q for p, q in ((0.9, 0.1), (0.1, 0.9)))
    odds = (joy / sad) ** (1 / 1.5)
    assert result.probabilities["Joy"] == pytest.approx(odds / (1 + odds))
    assert result.confidence == result.probabilities["Sad"]
    assert (result.duration_s, result.speech_s, result.korean) == (9.0, 4.5, "슬픔")


def test_an_early_window_counts_by_its_length_and_excludes_nothing() -> None:
    early = window(0, 1, 0.8, partial=True)
    assert overall(early).result(1.0).confidence == pytest.approx(0.8)
    assert overall(early, window(0, 3, 0.3)).result(3.0).emotion == "Sad"
    certain = overall(window(0, 3, 1.0), window(1, 4, 0.01), window(2, 5, 0.01)).result(5.0)
    assert 0 < certain.probabilities["Joy"] < 1


def test_without_speech_there_is_none() -> None:
    result = overall(window(0, 3, None, 0.01)).result(3.0)
    assert (result.emotion, result.confidence, result.to_dict()) == (None, None, None)


def test_channels_count_together() -> None:
    both = overall(window(0, 3, 0.9)).joined(overall(window(0, 3, 0.1)))
    assert both.result(3.0).probabilities["Joy"] == pytest.approx(0.5)


def test_smoothing_and_chunks_do_not_change_it() -> None:
    wave, model = make_wave(8.0), FakeClassifier()
    settings: dict[str, Any] = {"sample_rate": RATE, "model": model, "vad": False}
    found = ser_rt.classify(wave, **settings)
    assert found.emotion in model.labels
    assert found == ser_rt.classify(wave, half_life_s=3.0, **settings)
    pieces = np.array_split(wave, 37)
    assert found.probabilities == ser_rt.classify(pieces, **settings).probabilities


def event(start: float, end: float, emotion: str | None, share: float = 0.0) -> Event:
    if emotion is None:
        return NoSpeechEvent(seq=0, start=start, end=end)
    return EmotionEvent(seq=0, start=start, end=end, emotion=emotion, confidence=share)


def test_highlights_are_shares_of_speech_and_the_strongest_moments() -> None:
    found = Highlights()
    for one in (
        event(0, 3, "Joy", 0.6),
        event(0.5, 3.5, "Joy", 0.9),
        event(1, 4, None),
        event(2, 5, "Sad", 0.7),
        event(2.5, 5.5, UNSURE, 0.99),
        event(3, 6, "Joy", 0.8),
    ):
        found.add(one)
    found.close()
    assert found.speech_s == pytest.approx(5.5)
    assert found.shares() == {"Joy": 0.7273, "Sad": 0.1818, UNSURE: 0.0909}
    moments = found.moments()
    assert [(one["emotion"], one["at"]) for one in moments] == [("Joy", 3.5), ("Sad", 5)]
