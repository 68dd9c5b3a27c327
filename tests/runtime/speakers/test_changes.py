"""Where another person begins to speak, and what begins anew there."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pytest
import soundfile
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

import ser_rt
from ser_rt.bundle import sample_path
from ser_rt.classifier import FloatArray
from ser_rt.errors import BundleInvalidError, ConfigError
from ser_rt.runtime.backends.onnx_classifier import OnnxClassifier
from ser_rt.runtime.event import Event
from ser_rt.runtime.speakers import changes, network
from ser_rt.runtime.speakers.changes import REACH, THRESHOLD, SpeakerChanges, change_in
from ser_rt.runtime.speakers.network import FIRST, FRAME, speakers_in
from ser_rt.testing import FakeClassifier
from tests.conftest import RATE, Wave, make_wave


def told(samples: FloatArray) -> FloatArray:
    """Tell two speakers apart by the sign of their samples, as the network does by voice."""
    centres = samples[FIRST : len(samples) - FIRST : FRAME]
    return np.stack([centres > 0, centres < 0, np.zeros_like(centres)], axis=1).astype(np.float32)


@pytest.fixture
def signs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes.SpeakerChanges.__init__, "__defaults__", (None, told))


def dialogue(*lengths_s: float) -> Wave:
    """Two people by turns, the first with positive samples; a length below zero is silence."""
    pieces, sign = [], 1.0
    for length_s in lengths_s:
        wave = np.abs(make_wave(abs(length_s))) + np.float32(0.05)
        pieces.append(wave * (sign if length_s > 0 else 0))
        sign = -sign if length_s > 0 else sign
    return np.concatenate(pieces).astype(np.float32)


FRAME_SIZE = 512


def found(wave: Wave, sizes: Sequence[int] = (1,)) -> list[tuple[float, float]]:
    """Return where changes are found, and when, in seconds."""
    seen, last, at = [], 0, 0
    follower = SpeakerChanges(0.5, speakers=told)
    whole = wave[: len(wave) // FRAME_SIZE * FRAME_SIZE].reshape(-1, FRAME_SIZE)
    speech = (np.abs(whole).max(axis=1) > 0.01).astype(float).tolist()
    for size in itertools.cycle(sizes):
        if at >= len(whole):
            break
        follower.frames(at * FRAME_SIZE, whole[at : at + size], speech[at : at + size])
        at += size
        if follower.last != last:
            last = follower.last
            seen.append((last / RATE, at * FRAME_SIZE / RATE))
    return seen


@pytest.mark.parametrize(
    ("lengths_s", "changes_s"),
    [
        ((3.0,), []),
        ((3.0, 2.0), [3.0]),
        ((2.2, 1.0, 3.0), [2.2, 3.2]),
        ((3.0, -0.3, 2.0), [3.3]),  # where the next one begins, not where the first one ends
        ((2.0, -1.0, 2.0), [3.0]),
        ((2.0, 0.3), []),  # too little of the second one
        ((0.3, 2.0), []),  # or of the first
    ],
)
def test_changes_are_found_soon_and_where_they_are(
    lengths_s: Sequence[float], changes_s: Sequence[float]
) -> None:
    places = found(dialogue(*lengths_s))
    assert len(places) == len(changes_s)
    for (at_s, known_s), change_s in zip(places, changes_s, strict=True):
        assert abs(at_s - change_s) <= 0.05
        assert known_s - at_s <= REACH / RATE


def test_silence_costs_no_call_of_the_network() -> None:
    calls = []

    def counted(samples: FloatArray) -> FloatArray:
        calls.append(len(samples))
        return told(samples)

    follower = SpeakerChanges(0.5, speakers=counted)
    frames = np.zeros((1000, 160), np.float32)
    follower.frames(0, frames, [0.0] * 1000)
    assert calls == []
    follower.frames(160_000, frames + 0.1, [0.9] * 1000)
    # Twice a second, of the last three.
    assert len(calls) in (19, 20)
    assert max(calls) < 3.1 * RATE


@settings(max_examples=8, deadline=None)
@given(sizes=st.lists(st.integers(1, 120), min_size=1, max_size=5))
def test_how_frames_come_changes_no_change(sizes: list[int]) -> None:
    wave = dialogue(2.0, 1.5, -0.5, 1.2)
    places = found(wave)
    assert len(places) == 2
    assert [at for at, _ in found(wave, sizes)] == [at for at, _ in places]


def test_a_gap_begins_anew() -> None:
    follower = SpeakerChanges(0.5, speakers=told)
    first, second = dialogue(3.0), -dialogue(3.0)
    for start, wave in ((0, first), (10 * RATE, second)):
        follower.restart()
        follower.frames(start, wave.reshape(-1, 160), [0.9] * (len(wave) // 160))
    assert follower.last == 0


def test_what_there_is_to_compare_decides() -> None:
    speech = np.zeros((150, 3), np.float32)
    assert change_in(speech)[1] == 0
    speech[:100, 0] = speech[100:, 1] = 1
    place, share = change_in(speech)
    assert place == FIRST - FRAME // 2 + FRAME * 100
    assert share == pytest.approx(1)
    speech[100:, 0] = 0.5  # both speak
    assert change_in(speech)[1] < 0.8
    assert change_in(speech, since=FRAME * 101)[1] == 0
    assert change_in(speech[:10]) == (0, 0.0)


def streamed(wave: Wave, model: OnnxClassifier | FakeClassifier, **how: object) -> list[Event]:
    asked: dict[str, object] = {"vad": False, "turns": True, "speaker_change": True} | how
    return list(ser_rt.stream(wave, sample_rate=RATE, model=model, **asked))  # type: ignore[arg-type]


def turns(events: list[Event]) -> list[ser_rt.TurnEvent]:
    return [event for event in events if isinstance(event, ser_rt.TurnEvent)]


@pytest.mark.usefixtures("signs")
def test_turns_and_windows_are_of_one_person(classifier: OnnxClassifier) -> None:
    wave = dialogue(3.0, 2.5)
    events = streamed(wave, classifier)
    first, second = turns(events)
    assert (first.speaker_change, second.speaker_change) == (True, False)
    assert (first.start, second.end) == (0.0, 5.5)
    assert first.end == second.start == pytest.approx(3.0, abs=0.02)
    assert "speaker_change" not in second.to_dict()
    results = [event for event in events if event.type == "emotion"]
    assert [e.end for e in results if e.start == 0] == [1.0, 1.5, 2.0, 2.5, 3.0]
    later = [e for e in results if e.start > 0 and e.end > 3.5]
    assert {round(e.start, 1) for e in later} == {3.0}
    assert all(e.partial for e in later)
    # Exactly what each would have alone, but for the frames at the change.
    cut = round(first.end * RATE)
    alone = turns(streamed(wave[:cut], classifier, speaker_change=False))[0]
    assert first.probabilities == alone.probabilities
    assert second.probabilities == turns(streamed(wave[cut:], classifier))[0].probabilities


@pytest.mark.usefixtures("signs")
def test_smoothing_begins_anew_with_the_person(classifier: OnnxClassifier) -> None:
    wave = dialogue(3.0, 2.5)
    kept = {"half_life_s": 1000.0}
    events = [e for e in streamed(wave, classifier, **kept) if e.type == "emotion"]
    first = next(e for e in events if e.start > 0)
    raw = [e for e in streamed(wave, classifier, half_life_s=0.0) if e.start == first.start]
    fresh = np.array(list(raw[0].probabilities.values()))
    # The belief of a new speaker is the result itself, sharpened: it leads by as much or more.
    assert first.emotion == raw[0].emotion
    assert max(first.probabilities.values()) >= fresh.max() - 1e-6


@pytest.mark.usefixtures("signs")
@pytest.mark.parametrize("sizes", [[1, 333, 7], [512], [50_000]])
def test_chunking_changes_no_byte(classifier: OnnxClassifier, sizes: list[int]) -> None:
    wave = dialogue(2.0, 1.5, -0.4, 1.2, -1.0, 2.5)
    whole = streamed(wave, classifier)
    assert len(turns(whole)) >= 4
    with ser_rt.open_stream(
        sample_rate=RATE, model=classifier, vad=False, turns=True, speaker_change=True
    ) as stream:
        events, at = [], 0
        for size in itertools.cycle(sizes):
            if at >= len(wave):
                break
            events += stream.push(wave[at : at + size])
            at += size
        events += stream.flush()
    assert [e.to_json(timing=False) for e in events] == [e.to_json(timing=False) for e in whole]


def test_the_network_tells_voices_apart() -> None:
    """The demo's first voice, and the same one as it was or as that of a smaller head."""
    said = soundfile.read(sample_path(), dtype="float32", start=RATE // 2, frames=2 * RATE)[0]
    other = soxr.resample(said, 1.4 * RATE, RATE)[: round(1.1 * RATE)]
    place, share = change_in(speakers_in(np.concatenate([said, other])))
    assert share > THRESHOLD
    assert abs(place / RATE - 2.0) < 0.2
    assert change_in(speakers_in(np.concatenate([said, said[: len(other)]])))[1] < THRESHOLD


def test_what_cannot_be_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="16000 Hz"):
        streamed(make_wave(1), FakeClassifier(sample_rate=8_000))
    monkeypatch.setattr(network, "MODEL_SHA256", "other")
    with pytest.raises(BundleInvalidError, match="speaker-change"):
        speakers_in(make_wave(2))
