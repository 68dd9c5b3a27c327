"""Turns of streams: their answers, their bounds, and that chunking changes no byte of them."""

from __future__ import annotations

import itertools
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ser_rt
from ser_rt import TurnEvent
from ser_rt.errors import ConfigError
from ser_rt.runtime.backends.onnx_classifier import OnnxClassifier
from ser_rt.runtime.event import Event
from ser_rt.runtime.stream import EmotionStream
from ser_rt.runtime.vad.base import FrameVad, LevelDetector
from ser_rt.testing import FakeClassifier
from tests.conftest import RATE, Wave, make_wave


def said(*lengths_s: float) -> Wave:
    """Return noise and silence by turns, beginning with noise."""
    wave = make_wave(sum(lengths_s))
    ends = np.cumsum([round(s * RATE) for s in lengths_s])
    for start, end in zip(ends[::2], ends[1::2], strict=False):
        wave[start:end] = 0
    return wave


def pushed(stream: EmotionStream, wave: Wave, sizes: list[int]) -> list[Event]:
    events, at = [], 0
    for size in itertools.cycle(sizes):
        if at >= len(wave):
            break
        events += stream.push(wave[at : at + size])
        at += size
    return events + stream.flush()


def lines(events: list[Event]) -> str:
    return "\n".join(event.to_json(timing=False) for event in events)


def turns(events: list[Event]) -> list[TurnEvent]:
    return [event for event in events if isinstance(event, TurnEvent)]


def test_a_turn_has_the_bounds_of_its_speech(classifier: OnnxClassifier) -> None:
    wave = said(2.0, 1.0, 0.5, 0.3, 1.2, 2.0)
    events = list(ser_rt.stream(wave, sample_rate=RATE, model=classifier, vad=False, turns=True))
    first, second = turns(events)
    assert (first.id, first.start, first.end) == (1, 0.0, 2.0)
    assert (second.id, second.start, second.end) == (2, 3.0, 5.0)
    assert second.speech == pytest.approx(1.7, abs=0.03)
    assert first.final
    assert not first.cut
    loud = wave[: 2 * RATE].astype(np.float64)
    assert first.loudness == pytest.approx(10 * np.log10(np.mean(loud**2)), abs=0.02)
    for turn in (first, second):
        assert sum(turn.probabilities.values()) == pytest.approx(1, abs=1e-5)
        assert turn.confidence == turn.probabilities[str(turn.emotion)]
        assert turn.start <= turn.onset <= turn.end
        assert turn.start <= turn.peak <= turn.end
        assert turn.latency_ms["total"] >= 0
    assert [event.seq for event in events] == list(range(len(events)))


def test_a_turn_is_answered_by_its_own_audio_alone() -> None:
    def loudness(waveforms: Wave) -> Wave:
        loud = np.abs(waveforms).max(axis=1) > 0.5
        return np.stack([np.where(loud, 0.9, 0.1), np.where(loud, 0.1, 0.9)], 1).astype(np.float32)

    model = FakeClassifier(loudness, labels=("Angry", "Sad"))
    quiet, silence = np.full(2 * RATE, 0.1, np.float32), np.zeros(RATE, np.float32)
    wave = np.concatenate([quiet * 9, silence, quiet, silence])
    events = list(ser_rt.stream(wave, sample_rate=RATE, model=model, vad=False, turns=True))
    # The stream's windows of 3 s hold the loud voice until after most of the quiet one.
    assert {event.emotion for event in events if 3 < event.end < 5} == {"Angry"}
    assert [turn.emotion for turn in turns(events)] == ["Angry", "Sad"]
    assert turns(events)[1].onset == 3.0


def test_a_word_is_a_turn_even_where_no_window_is_classified() -> None:
    model = FakeClassifier((0.8, 0.2), labels=("Joy", "Sad"))
    wave = np.concatenate([said(0.25), np.zeros(5 * RATE, np.float32)])
    how: Any = {"vad": False, "turns": True, "gate_threshold": 0.5}
    events = list(ser_rt.stream(wave, sample_rate=RATE, model=model, **how))
    assert {event.type for event in events} == {"no_speech", "turn"}
    (turn,) = turns(events)
    assert (turn.emotion, turn.end) == ("Joy", 0.25)


def test_a_turn_that_nothing_is_sure_of_is_unsure() -> None:
    how: Any = {"vad": False, "turns": True, "hysteresis": {"unsure": 0.5}}
    events = list(ser_rt.stream(said(2.0), sample_rate=RATE, model=FakeClassifier(), **how))
    assert turns(events)[0].emotion == "unsure"


def test_a_long_turn_is_cut(classifier: OnnxClassifier) -> None:
    how: Any = {"vad": False, "turns": True, "longest_turn_s": 2.0}
    events = list(ser_rt.stream(said(5.0, 1.0), sample_rate=RATE, model=classifier, **how))
    found = [(turn.start, turn.end, turn.cut) for turn in turns(events)]
    assert found == [(0.0, 2.0, True), (2.0, 4.0, True), (4.0, 5.0, False)]


def test_a_gap_ends_a_turn(classifier: OnnxClassifier) -> None:
    from ser_rt.audio.chunk import AudioChunk
    from ser_rt.runtime.engine import make_engine
    from ser_rt.runtime.settings import StreamSettings

    engine = make_engine(classifier, StreamSettings(vad=False, turns=True))
    wave = make_wave(2)
    events = list(engine.feed(AudioChunk(wave, 0, 0.0)))
    events += engine.feed(AudioChunk(wave, 10 * RATE, 0.0))
    events += engine.flush()
    assert [(turn.start, turn.end) for turn in turns(events)] == [(0.0, 2.0), (10.0, 12.0)]


def test_the_answer_so_far_is_there_at_any_time(classifier: OnnxClassifier) -> None:
    with ser_rt.open_stream(sample_rate=RATE, model=classifier, vad=False, turns=True) as stream:
        before = stream.turn
        stream.push(make_wave(1.5))
        so_far = stream.turn
        assert before is None
        assert so_far is not None
        assert (so_far.id, so_far.start, so_far.final) == (1, 0.0, False)
        assert so_far.end == pytest.approx(1.5, abs=0.011)
        events = stream.push(np.zeros(RATE, np.float32))
        after = stream.turn
    assert after is None
    assert [turn.id for turn in turns(events)] == [1]
    assert turns(events)[0].final


def test_updates_come_with_each_result_of_a_turn(classifier: OnnxClassifier) -> None:
    how: Any = {"vad": False, "turns": True, "turn_updates": True}
    events = list(ser_rt.stream(said(2.2, 2.0), sample_rate=RATE, model=classifier, **how))
    found = turns(events)
    assert [turn.final for turn in found] == [False] * (len(found) - 1) + [True]
    # Results at 1, 1.5 and 2 s lie within it, and that at 2.5 s in the pause that ends it.
    assert [event.type for event in events[:6]] == ["emotion", "turn"] * 3
    assert {turn.id for turn in found} == {1}


@settings(max_examples=15)
@given(
    lengths_s=st.lists(st.floats(0.05, 2.5), min_size=1, max_size=5),
    sizes=st.lists(st.integers(1, 40_000), min_size=1, max_size=4),
    longest_s=st.sampled_from([1.3, 30.0]),
    kind=st.sampled_from(["whole", "streaming"]),
)
def test_chunking_never_changes_a_turn(
    classifier: OnnxClassifier,
    streaming_bundle: Path,
    lengths_s: list[float],
    sizes: list[int],
    longest_s: float,
    kind: str,
) -> None:
    model = ser_rt.load(streaming_bundle) if kind == "streaming" else classifier
    wave = said(*lengths_s)
    how: Any = {"vad": False, "turns": True, "turn_updates": True, "longest_turn_s": longest_s}

    def events(sizes: list[int]) -> str:
        return lines(pushed(ser_rt.open_stream(sample_rate=RATE, model=model, **how), wave, sizes))

    assert events(sizes) == events([len(wave)])


def test_chunking_changes_no_turn_of_a_voice(classifier: OnnxClassifier) -> None:
    import soundfile

    wave, _ = soundfile.read(ser_rt.sample_path(), dtype="float32", frames=20 * RATE)

    def events(sizes: list[int]) -> list[Event]:
        stream = ser_rt.open_stream(sample_rate=RATE, model=classifier, turns=True)
        return pushed(stream, wave, sizes)

    whole = events([len(wave)])
    assert len(turns(whole)) == 2
    for sizes in ([160], [997, 30_001, 3]):
        assert lines(events(sizes)) == lines(whole)


def test_turns_change_no_other_event(classifier: OnnxClassifier) -> None:
    def results(*, turns: bool) -> list[dict[str, object]]:
        events = ser_rt.stream(
            said(2, 1, 1.5, 2), sample_rate=RATE, model=classifier, vad=False, turns=turns
        )
        found = [event.to_dict(timing=False) for event in events if event.type != "turn"]
        return [event | {"seq": 0} for event in found]

    assert results(turns=True) == results(turns=False)


def test_a_silent_stream_has_no_turn_and_a_long_one_takes_no_more_memory() -> None:
    def peak_bytes(minutes: int) -> int:
        tracemalloc.start()
        audio = itertools.repeat(said(30, 1, 29), minutes)
        found = ser_rt.stream(
            audio, sample_rate=RATE, model=FakeClassifier(), vad=False, turns=True
        )
        count = sum(event.type == "turn" for event in found)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert count == 2 * minutes
        return peak

    silence = np.zeros(5 * RATE, np.float32)
    assert not turns(
        list(
            ser_rt.stream(silence, sample_rate=RATE, model=FakeClassifier(), vad=False, turns=True)
        )
    )
    assert peak_bytes(6) < peak_bytes(2) + 1_000_000


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ({"turn_pause_s": 0.0}, "turn_pause_s"),
        ({"turn_pause_s": "x"}, "turn_pause_s"),
        ({"longest_turn_s": 0.5}, "longest_turn_s"),
        ({"turns": False, "turn_updates": True}, "turns=True"),
        ({"vad": FrameVad(LevelDetector(RATE))}, "frames"),
    ],
)
def test_settings_that_make_no_sense(bad: dict[str, object], words: str) -> None:
    given: Any = {"turns": True} | bad
    with pytest.raises(ConfigError, match=words):
        ser_rt.open_stream(sample_rate=RATE, model=FakeClassifier(), **given)
