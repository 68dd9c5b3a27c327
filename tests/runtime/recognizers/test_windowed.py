import numpy as np
import pytest

from ser_rt.audio.chunk import AudioChunk
from ser_rt.classifier import FloatArray
from ser_rt.errors import AudioInputError, ConfigError
from ser_rt.runtime.backends.onnx_classifier import OnnxClassifier
from ser_rt.runtime.recognizers.recognizer import Posterior
from ser_rt.runtime.recognizers.windowed import WindowedRecognizer
from ser_rt.runtime.settings import StreamSettings
from ser_rt.testing import FakeClassifier
from tests.conftest import RATE, Wave, make_wave


class RecordingClassifier(FakeClassifier):
    """Keeps the waveforms that it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.given: list[FloatArray] = []

    def __call__(self, waveforms: FloatArray) -> FloatArray:
        self.given.append(waveforms.copy())
        return super().__call__(waveforms)


def recognize(recognizer: WindowedRecognizer, samples: Wave, block: int = 1600) -> list[Posterior]:
    posteriors: list[Posterior] = []
    for start in range(0, len(samples), block):
        posteriors += recognizer.feed(AudioChunk(samples[start : start + block], start, 0.0))
    return posteriors + recognizer.flush()


def test_early_results_then_full_windows_then_the_tail(classifier: OnnxClassifier) -> None:
    wave = make_wave(4.3)
    posteriors = recognize(WindowedRecognizer(classifier), wave)
    assert [(p.start_s, p.end_s) for p in posteriors] == [
        (0, 1.0),
        (0, 1.5),
        (0, 2.0),
        (0, 2.5),
        (0, 3.0),
        (0.5, 3.5),
        (1.0, 4.0),
        (pytest.approx(1.3), pytest.approx(4.3)),
    ]
    assert [p.is_partial for p in posteriors] == [True] * 4 + [False] * 4


def test_streaming_equals_the_classifier_on_the_same_samples(classifier: OnnxClassifier) -> None:
    wave = make_wave(5.2)
    for posterior in recognize(WindowedRecognizer(classifier), wave, block=997):
        window = wave[round(posterior.start_s * RATE) : round(posterior.end_s * RATE)]
        offline = classifier(window[np.newaxis])[0]
        assert posterior.probabilities is not None
        assert posterior.probabilities.tobytes() == offline.tobytes()


def test_a_file_shorter_than_the_first_window_has_one_result(classifier: OnnxClassifier) -> None:
    posteriors = recognize(WindowedRecognizer(classifier), make_wave(0.4))
    assert [(p.start_s, p.end_s, p.is_partial) for p in posteriors] == [(0, 0.4, True)]


def test_a_scrap_is_padded_to_what_a_network_needs() -> None:
    fake = RecordingClassifier()
    recognize(WindowedRecognizer(fake, StreamSettings(gate_threshold=0)), np.ones(7, np.float32))
    assert fake.given[0].shape == (1, RATE // 4)
    assert fake.given[0].sum() == 7


@pytest.mark.parametrize("sizes", [[1600], [997], [14_400], [1, 5000, 333]])
def test_audio_between_gaps_is_classified_as_if_alone(
    classifier: OnnxClassifier, sizes: list[int]
) -> None:
    wave, gap = make_wave(0.9), RATE // 100
    wave[5000:9000] = 0
    (alone,) = recognize(WindowedRecognizer(classifier), wave)
    posteriors: list[Posterior] = []
    recognizer, turn = WindowedRecognizer(classifier), 0
    starts = [number * (len(wave) + gap) for number in range(4)]
    for start in starts:
        taken = 0
        while taken < len(wave):
            samples = wave[taken : taken + sizes[turn % len(sizes)]]
            posteriors += recognizer.feed(AudioChunk(samples, start + taken, 0.0))
            taken, turn = taken + len(samples), turn + 1
    posteriors += recognizer.flush()
    assert [p.start_s for p in posteriors] == [start / RATE for start in starts]
    assert alone.probabilities is not None
    for posterior in posteriors:
        assert posterior.speech == alone.speech
        assert posterior.probabilities is not None
        assert posterior.probabilities.tobytes() == alone.probabilities.tobytes()


@pytest.mark.parametrize("block", [800, 1600, 90_000])
@pytest.mark.parametrize(
    ("seconds", "ends_s"),
    [(0.4, [0.4]), (1.5, [1.5]), (2.9, [2.9]), (3.2, [3, 3.2]), (3.6, [3, 3.5, 3.6])],
)
def test_full_windows_only_unless_a_stream_never_fills_one(
    classifier: OnnxClassifier, seconds: float, ends_s: list[float], block: int
) -> None:
    recognizer = WindowedRecognizer(classifier, StreamSettings(partial=False))
    posteriors = recognize(recognizer, make_wave(seconds), block)
    assert [p.end_s for p in posteriors] == pytest.approx(ends_s)
    assert [p.is_partial for p in posteriors] == [end_s < 3 for end_s in ends_s]


def test_a_scrap_behind_a_gap_is_no_full_window(classifier: OnnxClassifier) -> None:
    recognizer = WindowedRecognizer(classifier, StreamSettings(partial=False))
    posteriors = list(recognizer.feed(AudioChunk(make_wave(3), 0, 0.0)))
    posteriors += recognizer.feed(AudioChunk(make_wave(1), 4 * RATE, 0.0))
    assert [p.end_s for p in posteriors + recognizer.flush()] == [3]


def test_the_window_that_an_interrupt_broke_off_is_not_lost() -> None:
    class Interrupted(RecordingClassifier):
        def __call__(self, waveforms: FloatArray) -> FloatArray:
            answer = super().__call__(waveforms)
            if len(self.given) == 2:
                raise KeyboardInterrupt
            return answer

    recognizer = WindowedRecognizer(Interrupted())
    assert [p.end_s for p in recognizer.feed(AudioChunk(make_wave(1.2), 0, 0.0))] == [1]
    with pytest.raises(KeyboardInterrupt):
        list(recognizer.feed(AudioChunk(make_wave(0.3), round(1.2 * RATE), 0.0)))
    assert [p.end_s for p in recognizer.flush()] == [1.5]
    assert recognizer.flush() == []


def test_no_audio_is_no_result() -> None:
    assert WindowedRecognizer(FakeClassifier()).flush() == []


@pytest.mark.parametrize("level", [0.0, 1e-4])
def test_silence_is_not_classified(level: float) -> None:
    fake = RecordingClassifier()
    posteriors = recognize(WindowedRecognizer(fake), (level * make_wave(4)).astype(np.float32))
    assert [p.probabilities for p in posteriors] == [None] * len(posteriors)
    assert {p.speech for p in posteriors} == {0.0}
    assert fake.given == []


def test_without_the_gate_silence_is_classified_too(classifier: OnnxClassifier) -> None:
    posteriors = recognize(
        WindowedRecognizer(classifier, StreamSettings(gate_threshold=0)), np.zeros(RATE, np.float32)
    )
    assert posteriors[0].probabilities is not None
    assert np.isfinite(posteriors[0].probabilities).all()


def test_an_answer_that_is_no_number_never_comes_out() -> None:
    with pytest.raises(AudioInputError, match="finite"):
        recognize(WindowedRecognizer(FakeClassifier([float("nan")] * 6)), make_wave(1))


def test_live_windows_know_when_their_last_sample_was_captured() -> None:
    recognizer = WindowedRecognizer(FakeClassifier(), clock=lambda: 50.02)
    chunk = AudioChunk(make_wave(1.6), 0, captured_at=50.0, is_live=True, queue_s=0.01)
    first, second = recognizer.feed(chunk)
    assert first.captured_at == pytest.approx(50.0 - 0.6)
    assert first.spent_s["capture"] == pytest.approx(0.6)
    assert second.captured_at == pytest.approx(50.0 - 0.1)
    assert second.spent_s["queue"] == 0.01


@pytest.mark.parametrize(("seconds", "skipped"), [(1.0, 0), (1.2, 1)])
def test_the_end_of_live_audio_is_classified_however_late(seconds: float, skipped: int) -> None:
    recognizer = WindowedRecognizer(FakeClassifier(), clock=lambda: 99.0)
    late = AudioChunk(make_wave(seconds), 0, captured_at=0.0, is_live=True)
    assert list(recognizer.feed(late)) == []
    assert recognizer.skipped_windows == 1
    assert [p.end_s for p in recognizer.flush()] == [seconds]
    assert recognizer.skipped_windows == skipped
    assert recognizer.flush() == []


@pytest.mark.parametrize(
    "bad",
    [
        {"window_s": 0.0},
        {"window_s": float("nan")},
        {"window_s": 1e9},
        {"hop_s": -0.5},
        {"hop_s": 3.5},
        {"min_window_s": 4.0},
        {"gate_threshold": 1.5},
    ],
)
def test_bad_settings_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=next(iter(bad)).removesuffix("_s")):
        WindowedRecognizer(FakeClassifier(), StreamSettings(**bad))  # type: ignore[arg-type]  # values of several types
