"""What people take for audio is refused with what to give instead."""

from __future__ import annotations

import io
import threading
from array import array
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ser_rt
from ser_rt.errors import AudioInputError
from ser_rt.testing import FakeClassifier
from tests.conftest import RATE, make_wave


@pytest.mark.parametrize(
    ("audio", "words"),
    [
        (None, "audio is None"),
        (b"RIFF", "np.frombuffer"),
        (memoryview(b"RIFF"), "np.frombuffer"),
        (io.BytesIO(b"RIFF"), "an open file is no audio"),
        ([0.1, 0.2], "numbers one by one"),
        ([b"RIFF"], "np.frombuffer"),
        ([np.array(0.1), np.array(0.2)], "numbers one by one"),
        (np.zeros((2, 48_000), np.float32), "samples.T"),
        ([np.zeros((2, 48_000), np.float32)], "samples.T"),
    ],
)
def test_what_people_take_for_audio_is_refused_with_what_to_give(audio: Any, words: str) -> None:
    with pytest.raises(AudioInputError, match=words):
        list(ser_rt.stream(audio, sample_rate=48_000, model=FakeClassifier(), vad=False))


class Tensor:
    """An array of another library, which numpy takes and which is iterable, as torch's is."""

    def __init__(self, data: np.ndarray) -> None:
        self._data = data

    def __array__(self, *_: Any, **__: Any) -> np.ndarray:
        return self._data

    def __iter__(self) -> Any:
        return iter(map(Tensor, self._data))


def test_one_array_of_any_library_is_one_array() -> None:
    wave = np.stack([make_wave(2.0), make_wave(2.0, seed=1)], axis=1)

    def events(audio: Any) -> list[tuple[float, float, float]]:
        found = ser_rt.stream(audio, sample_rate=RATE, model=FakeClassifier(), vad=False)
        return [(event.start, event.end, event.speech or 0.0) for event in found]

    expected = events(wave)
    assert events(Tensor(wave)) == events([Tensor(wave)]) == expected
    assert events(Tensor(wave[:, 0])) == events(array("f", wave[:, 0])) == events(wave[:, 0])
    with pytest.raises(AudioInputError, match=r"samples\.T"):
        events(Tensor(wave.T))


def test_audio_that_is_refused_takes_no_time() -> None:
    wave = make_wave(3.0)
    session = ser_rt.open_stream(sample_rate=RATE, model=FakeClassifier(), vad=False)
    found = session.push(wave[:RATE])
    for bad in (32_000 * wave[RATE:], np.stack([wave, wave]), np.full(9, np.nan, np.float32)):
        with pytest.raises(AudioInputError):
            session.push(bad)
    found += session.push(wave[RATE:]) + session.flush()
    expected = list(ser_rt.stream(wave, sample_rate=RATE, model=FakeClassifier(), vad=False))
    assert [(e.start, e.end) for e in found] == [(e.start, e.end) for e in expected]


def test_an_empty_piece_says_nothing_of_the_channels() -> None:
    wave = np.stack([make_wave(2.0), make_wave(2.0, seed=1)], axis=1)
    session = ser_rt.open_stream(
        sample_rate=RATE, model=FakeClassifier(), channel="split", vad=False
    )
    assert session.push(np.zeros(0, np.float32)) == []
    found = session.push(wave) + session.flush()
    assert {event.channel for event in found} == {1, 2}


def test_an_open_file_is_named(speech: Path) -> None:
    with speech.open("rb") as file, pytest.raises(AudioInputError, match=r"speech\.wav"):
        next(ser_rt.stream(file, model=FakeClassifier()))  # type: ignore[arg-type]  # the test


def test_two_threads_in_one_stream_are_found() -> None:
    waiting, go_on = threading.Event(), threading.Event()

    class Slow(FakeClassifier):
        def __call__(self, waveforms: Any) -> Any:
            waiting.set()
            assert go_on.wait(60)
            return super().__call__(waveforms)

    session = ser_rt.open_stream(sample_rate=RATE, model=Slow(), vad=False)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(session.push, make_wave(2.0))
        assert waiting.wait(60)
        with pytest.raises(AudioInputError, match="another thread"):
            session.push(make_wave(0.1))
        go_on.set()
        assert first.result(60)
    assert session.push(make_wave(1.0)) is not None


def test_what_is_wrong_with_a_recording_is_told_with_its_emotion() -> None:
    wave = make_wave(4.0)
    crossed = np.stack([wave, -wave], axis=1)
    found = ser_rt.classify(crossed, sample_rate=RATE, model=FakeClassifier(), vad=False)
    assert [text for text in found.warnings if "cancel" in text]
    assert ser_rt.classify(wave, sample_rate=RATE, model=FakeClassifier()).warnings == ()
