"""Windows of many streams in one call: who comes when, and what becomes of errors."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ser_rt
from ser_rt.classifier import FloatArray, WindowDefaults
from ser_rt.errors import ConfigError, InferenceError
from ser_rt.runtime.backends.onnx_classifier import OnnxClassifier
from ser_rt.runtime.batcher import Batch, Batcher
from tests.conftest import RATE, make_wave


class HeldModel:
    """Answers with the first sample of each window, when it is let."""

    labels = ("a",)
    sample_rate = RATE

    def __init__(self) -> None:
        self.calls: list[list[float]] = []
        self.gate = threading.Event()
        self.is_asked = threading.Event()

    def __call__(self, waveforms: FloatArray) -> FloatArray:
        self.is_asked.set()
        assert self.gate.wait(60)
        self.calls.append(waveforms[:, 0].tolist())
        if (waveforms[:, 0] < 0).any():
            msg = "a negative window"
            raise RuntimeError(msg)
        return waveforms[:, :1]


def window(value: float, samples: int = 4) -> FloatArray:
    return np.full(samples, value, np.float32)


@pytest.fixture
def model() -> Iterator[HeldModel]:
    held = HeldModel()
    yield held
    held.gate.set()


def busy(batcher: Batcher, model: HeldModel) -> None:
    """Let the model hang in a call, so that what comes next has to wait."""
    batcher.open().offer(window(99))
    assert model.is_asked.wait(60)


def test_one_window_of_each_stream_before_a_second_of_any(model: HeldModel) -> None:
    with Batcher(model, max_batch=3) as batcher:
        busy(batcher, model)
        a, b, c = batcher.open(), batcher.open(), batcher.open()
        answers = [
            turn.offer(window(value), is_final=True)
            for turn, value in ((a, 1), (a, 2), (a, 3), (b, 4), (c, 5))
        ]
        assert batcher.waiting == 5
        model.gate.set()
        values = [float(answer.result(60)[0]) for answer in answers]  # type: ignore[index]  # floats here
    assert values == [1, 2, 3, 4, 5]
    assert model.calls[1:] == [[1, 4, 5], [2, 3]]


def test_only_windows_of_equal_length_share_a_call(model: HeldModel) -> None:
    with Batcher(model, max_batch=8) as batcher:
        busy(batcher, model)
        for value, samples in ((1, 4), (2, 8), (3, 4), (4, 8)):
            batcher.open().offer(window(value, samples))
        model.gate.set()
    assert model.calls[1:] == [[1, 3], [2, 4]]


def test_a_newer_window_takes_the_place_of_a_stale_one_and_finals_stay(model: HeldModel) -> None:
    with Batcher(model, max_batch=8) as batcher:
        busy(batcher, model)
        turn = batcher.open()
        stale, newest = turn.offer(window(1)), turn.offer(window(2))
        final = turn.offer(window(3), is_final=True)
        later = turn.offer(window(4))
        model.gate.set()
        assert stale.result(60) is None
        assert newest.result(60) is None
        assert final.result(60) == pytest.approx([3])
        assert later.result(60) == pytest.approx([4])


def test_a_bad_window_hurts_no_other(model: HeldModel) -> None:
    with Batcher(model, max_batch=8) as batcher:
        busy(batcher, model)
        answers = [batcher.open().offer(window(value)) for value in (1, -1, 2)]
        model.gate.set()
        assert answers[0].result(60) == pytest.approx([1])
        assert answers[2].result(60) == pytest.approx([2])
        with pytest.raises(InferenceError, match="a negative window"):
            answers[1].result(60)


def test_cancelled_windows_are_left_out_and_hold_up_nobody(model: HeldModel) -> None:
    with Batcher(model) as batcher:
        busy(batcher, model)
        stream = batcher.open()
        cancelled = stream.offer(window(1))
        assert cancelled.cancel()
        newer = stream.offer(window(2))  # would take the place of the cancelled one
        also = batcher.open().offer(window(3))
        assert also.cancel()
        last = batcher.open().offer(window(4))
        model.gate.set()
        assert newer.result(60) == [2]
        assert last.result(60) == [4]
    assert [1] not in model.calls
    assert [3] not in model.calls


def test_an_observer_that_fails_stops_nothing(
    model: HeldModel, caplog: pytest.LogCaptureFixture
) -> None:
    def observe(_batch: Batch) -> None:
        msg = "no disk"
        raise OSError(msg)

    model.gate.set()
    with Batcher(model, observe=observe) as batcher:
        assert batcher.open().offer(window(1)).result(60) == [1]
        assert batcher.open().offer(window(2)).result(60) == [2]
    assert "no disk" in caplog.text


def test_a_model_with_too_few_answers_is_an_error() -> None:
    class Forgetful(HeldModel):
        def __call__(self, waveforms: FloatArray) -> FloatArray:
            return waveforms[1:]

    with Batcher(Forgetful()) as batcher:
        for _ in range(2):
            with pytest.raises(InferenceError, match="the model failed"):
                batcher.open().offer(window(1)).result(60)


def test_closing_answers_what_waits_and_takes_no_more(model: HeldModel) -> None:
    batcher = Batcher(model, max_batch=2)
    busy(batcher, model)
    answers = [batcher.open().offer(window(value)) for value in range(5)]
    model.gate.set()
    batcher.close()
    assert [answer.done() for answer in answers] == [True] * 5
    with pytest.raises(InferenceError, match="closed"):
        batcher.open()(window(1)[np.newaxis])


def test_an_idle_model_waits_for_company_no_longer_than_told(model: HeldModel) -> None:
    model.gate.set()
    with Batcher(model, max_batch=2, max_wait_s=60) as batcher:
        answers = [batcher.open().offer(window(value)) for value in (1, 2)]
        assert [answer.result(60) for answer in answers] == [pytest.approx([1]), pytest.approx([2])]
    assert model.calls == [[1, 2]]
    with Batcher(model, max_batch=2, max_wait_s=0.01) as batcher:
        assert batcher.open().offer(window(3)).result(60) == pytest.approx([3])


def test_each_call_is_told(model: HeldModel) -> None:
    observed: list[Batch] = []
    with Batcher(model, max_batch=4, observe=observed.append) as batcher:
        busy(batcher, model)
        for value in range(4):
            batcher.open().offer(window(value))
        model.gate.set()
    assert [(batch.size, len(batch.waited_s)) for batch in observed] == [(1, 1), (4, 4)]
    assert observed[1].waited_s[0] >= observed[1].waited_s[-1] > 0


def test_a_stream_knows_how_long_its_calls_have_waited(model: HeldModel) -> None:
    now_s = [0.0]
    with Batcher(model, clock=lambda: now_s[0]) as batcher, ThreadPoolExecutor(1) as pool:
        busy(batcher, model)
        turn = batcher.open()
        answer = pool.submit(turn, window(1)[np.newaxis])
        while not batcher.waiting:
            pass
        now_s[0] = 0.45
        model.gate.set()
        assert answer.result(60) == [[1]]
    assert turn.waited_s == 0.45
    assert batcher.open().waited_s == 0


@pytest.mark.parametrize("max_batch", [1, 4])
def test_streams_in_many_threads_have_the_results_they_would_have_alone(
    classifier: OnnxClassifier, max_batch: int
) -> None:
    waves = [make_wave(4, seed=seed) for seed in range(6)]

    def classify(model: ser_rt.EmotionClassifier, wave: FloatArray) -> FloatArray:
        events = ser_rt.stream(wave, sample_rate=RATE, model=model, vad=False, hop_s=0.1)
        return np.array([list(event.probabilities.values()) for event in events], np.float32)

    alone = [classify(classifier, wave) for wave in waves]
    with Batcher(classifier, max_batch=max_batch, max_wait_s=0.002) as batcher:
        turn = batcher.open()
        assert isinstance(turn, WindowDefaults)
        assert (turn.window_s, turn.labels) == (classifier.window_s, classifier.labels)
        with ThreadPoolExecutor(6) as pool:
            together = list(pool.map(lambda wave: classify(batcher.open(), wave), waves))
    if max_batch == 1:
        assert [found.tobytes() for found in together] == [found.tobytes() for found in alone]
    for found, wanted in zip(together, alone, strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-5)  # a shared call: the last digits


@settings(max_examples=30)
@given(
    windows=st.lists(st.tuples(st.integers(0, 3), st.integers(1, 3), st.booleans()), max_size=30),
    max_batch=st.integers(1, 5),
    workers=st.integers(1, 3),
)
def test_every_window_has_its_own_answer_or_a_newer_one(
    windows: list[tuple[int, int, bool]], max_batch: int, workers: int
) -> None:
    def model(waveforms: FloatArray) -> FloatArray:
        return waveforms[:, :1]

    model.labels, model.sample_rate = ("a",), RATE  # type: ignore[attr-defined]  # a double
    with Batcher(model, max_batch=max_batch, workers=workers) as batcher:  # type: ignore[arg-type]  # a double
        turns = [batcher.open() for _ in range(4)]
        answers = [
            (number, is_final, turns[stream].offer(window(number, samples), is_final=is_final))
            for number, (stream, samples, is_final) in enumerate(windows)
        ]
    for number, is_final, answer in answers:
        value = answer.result(0)
        assert (value is None and not is_final) or value == pytest.approx([number])


@pytest.mark.parametrize("bad", [{"max_batch": 0}, {"workers": 0}, {"max_wait_s": -1}])
def test_numbers_out_of_range_are_refused(model: HeldModel, bad: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match=next(iter(bad)).removesuffix("_s")):
        Batcher(model, **bad)  # type: ignore[arg-type]  # values of several types
