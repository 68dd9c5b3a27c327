import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ser_rt.audio.chunk import AudioChunk
from ser_rt.runtime.engine import make_engine
from ser_rt.runtime.event import EmotionEvent, NoSpeechEvent
from ser_rt.runtime.event.latency import latency_ms
from ser_rt.runtime.settings import StreamSettings
from ser_rt.testing import FakeClassifier
from tests.conftest import make_wave

JOY = EmotionEvent(
    seq=4,
    start=0.5,
    end=3.5,
    emotion="Joy",
    confidence=0.75,
    probabilities={"Joy": 0.75, "Sad": 0.25},
    speech=0.9,
    partial=False,
    latency_ms={"total": 5.5, "inference": 5.0, "other": 0.5},
)


def test_an_emotion_is_one_line_of_json() -> None:
    assert json.loads(JOY.to_json()) == {
        "type": "emotion",
        "seq": 4,
        "start": 0.5,
        "end": 3.5,
        "emotion": "Joy",
        "confidence": 0.75,
        "probabilities": {"Joy": 0.75, "Sad": 0.25},
        "speech": 0.9,
        "partial": False,
        "latency_ms": {"total": 5.5, "inference": 5.0, "other": 0.5},
    }
    assert "\n" not in JOY.to_json()
    assert "latency_ms" not in JOY.to_dict(timing=False)


def test_silence_has_no_emotion() -> None:
    event = NoSpeechEvent(seq=0, start=0.0, end=1.0, speech=0.0, partial=True)
    assert event.to_dict(timing=False) == {
        "type": "no_speech", "seq": 0, "start": 0.0, "end": 1.0, "speech": 0.0, "partial": True,
    }  # fmt: skip
    assert event.korean is None


def test_the_korean_name() -> None:
    assert JOY.korean == "기쁨"
    assert EmotionEvent(seq=0, start=0, end=1, emotion="Bored", confidence=0.5).korean == "Bored"


@given(
    total_s=st.floats(0, 10),
    spent_s=st.dictionaries(st.sampled_from(["queue", "vad", "inference"]), st.floats(0, 3)),
)
def test_the_parts_of_a_latency_add_up(total_s: float, spent_s: dict[str, float]) -> None:
    latency = latency_ms(total_s, spent_s)
    total = latency.pop("total")
    assert total == pytest.approx(sum(latency.values()), abs=1e-3)
    assert total >= round(1e3 * total_s, 3) - 1e-6
    assert min(latency.values()) >= 0


@pytest.mark.parametrize("is_live", [True, False])
def test_live_events_have_the_time_of_the_wall(is_live: bool) -> None:  # noqa: FBT001 (a parameter)
    engine = make_engine(FakeClassifier(), StreamSettings(vad=False), clock=lambda: 5.0)
    chunk = AudioChunk(make_wave(1.0), 0, 4.8, is_live)
    [event] = [one for one in engine.feed(chunk) if one.type != "warning"]
    if not is_live:
        assert event.at is None
        assert "at" not in event.to_dict()
        return
    assert event.at is not None
    age = datetime.now(UTC) - datetime.fromisoformat(event.at)
    assert 0.2 <= age.total_seconds() < 60
    assert event.to_dict()["at"] == event.at
    assert "at" not in event.to_dict(timing=False)
