import threading
import time

import numpy as np
import pytest

import ser_rt
from ser_rt.audio.sources.push import PushSource
from ser_rt.errors import AudioInputError
from ser_rt.runtime.backends.onnx_classifier import OnnxClassifier
from tests.conftest import RATE, make_wave


def test_samples_pushed_in_one_thread_are_classified_in_another(classifier: OnnxClassifier) -> None:
    wave, source = make_wave(4.2, 48_000), PushSource(48_000)
    just_now = time.monotonic() + 3600  # no result is ever late, however slow this machine is

    def push() -> None:
        for start in range(0, len(wave), 480):
            source.push(wave[start : start + 480], just_now)
        source.end()

    thread = threading.Thread(target=push)
    thread.start()
    ends = [event.end for event in ser_rt.stream(source, model=classifier, vad=False)]
    thread.join()
    assert ends == [1, 1.5, 2, 2.5, 3, 3.5, 4, pytest.approx(4.2)]


def test_what_is_pushed_is_copied() -> None:
    source, buffer = PushSource(RATE), np.full(320, 0.5, np.float32)
    source.push(buffer)
    buffer[:] = 0
    source.end()
    assert next(iter(source)).samples.mean() == 0.5


def test_a_slow_reader_loses_the_oldest_and_a_warning_says_so() -> None:
    source = PushSource(RATE, max_blocks=5)
    for i in range(8):
        source.push(np.full(320, i / 10, np.float32))
    source.end()
    chunks = [chunk for chunk in source if len(chunk.samples)]
    assert chunks[0].start == 3 * 320
    assert chunks[0].warnings[0].code == "overflow"
    assert source.dropped_samples == 3 * 320


@pytest.mark.parametrize(
    "bad", [np.array([np.nan]), np.array([np.inf]), np.array([1, 2]), np.array([5e4])]
)
def test_bad_samples_are_refused_where_they_are_pushed(bad: np.ndarray) -> None:
    with pytest.raises(AudioInputError):
        PushSource(RATE).push(bad)


def test_bad_rates_and_ended_sources_are_refused() -> None:
    with pytest.raises(AudioInputError, match="-8000"):
        PushSource(-8_000)
    source = PushSource(RATE)
    source.end()
    with pytest.raises(AudioInputError, match="has ended"):
        source.push(np.zeros(5, np.float32))
