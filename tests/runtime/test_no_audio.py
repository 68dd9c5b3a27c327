"""What people take for audio is refused with what to give instead."""

from __future__ import annotations

import io
import threading
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
        (np.zeros((2, 48_000), np.float32), "samples.T"),
        ([np.zeros((2, 48_000), np.float32)], "samples.T"),
    ],
)
def test_what_people_take_for_audio_is_refused_with_what_to_give(audio: Any, words: str) -> None:
    with pytest.raises(AudioInputError, match=words):
        list(ser_rt.stream(audio, sample_rate=48_000, model=FakeClassifier(), vad=False))


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
