"""Sharing features changes what a stream costs, and no number that it gives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ser_rt.audio.chunk import AudioChunk
from ser_rt.bundle import Bundle
from ser_rt.classifier import EmotionClassifier, FloatArray
from ser_rt.errors import BundleInvalidError
from ser_rt.manifest import FeatureReuse
from ser_rt.runtime.backends.onnx_classifier import OnnxClassifier
from ser_rt.runtime.batcher import Batcher
from ser_rt.runtime.recognizers.feature_cache import FeatureCache
from ser_rt.runtime.recognizers.recognizer import Posterior
from ser_rt.runtime.recognizers.windowed import WindowedRecognizer
from ser_rt.runtime.recognizers.windower import Window
from ser_rt.runtime.settings import StreamSettings
from tests.conftest import RATE, Wave, make_wave
from tests.support.two_part_bundle import RECEPTIVE_FIELD, STRIDE

REUSE = FeatureReuse(Path("frontend"), Path("encoder"), RECEPTIVE_FIELD, STRIDE, 1)


class CountingClassifier:
    """Features are the first sample of each frame; the answer is what they say together."""

    labels = ("a", "b")
    sample_rate = RATE

    def __init__(self, reuse: FeatureReuse = REUSE, stride: int = STRIDE) -> None:
        self.feature_reuse = reuse
        self._stride = stride
        self.frames = self.calls = 0
        self.broken_off_at = -1

    def features(self, waveforms: FloatArray) -> FloatArray:
        frames = (waveforms.shape[1] - RECEPTIVE_FIELD) // self._stride + 1
        self.frames += frames
        return waveforms[:, : frames * self._stride : self._stride, np.newaxis]

    def classify_features(self, features: FloatArray) -> FloatArray:
        self.calls += 1
        if self.calls == self.broken_off_at:
            raise KeyboardInterrupt
        weights = np.arange(1, features.shape[1] + 1, dtype=np.float32)
        first = 1 / (1 + np.exp(-features[:, :, 0] @ weights / len(weights)))
        return np.stack((first, 1 - first), axis=1).astype(np.float32)

    def __call__(self, waveforms: FloatArray) -> FloatArray:
        return self.classify_features(self.features(waveforms))


class Whole:
    """The same model, hidden from what would share its features."""

    labels = CountingClassifier.labels
    sample_rate = RATE

    def __init__(self) -> None:
        self._model = CountingClassifier()

    def __call__(self, waveforms: FloatArray) -> FloatArray:
        return self._model(waveforms)


def recognize(
    recognizer: WindowedRecognizer, samples: Wave, blocks: list[int], gaps: tuple[int, ...] = ()
) -> list[Posterior]:
    """Feed blocks of these sizes in turn; before the n-th block of ``gaps`` audio is missing."""
    posteriors: list[Posterior] = []
    taken = start = turn = 0
    while taken < len(samples):
        start += 700 * (turn in gaps)
        block = samples[taken : taken + blocks[turn % len(blocks)]]
        posteriors += recognizer.feed(AudioChunk(block, start, 0.0))
        taken, start, turn = taken + len(block), start + len(block), turn + 1
    return posteriors + recognizer.flush()


def recognizer(
    model: EmotionClassifier, window_s: float, hop_s: float, min_window_s: float
) -> WindowedRecognizer:
    return WindowedRecognizer(
        model, StreamSettings(window_s=window_s, hop_s=hop_s, min_window_s=min_window_s)
    )


def assert_equal(some: list[Posterior], others: list[Posterior], tolerance: float) -> None:
    assert [(p.start_s, p.end_s) for p in some] == [(p.start_s, p.end_s) for p in others]
    for one, other in zip(some, others, strict=True):
        if one.probabilities is None or other.probabilities is None:
            assert one.probabilities is other.probabilities
        else:
            np.testing.assert_allclose(one.probabilities, other.probabilities, atol=tolerance)


@pytest.fixture(scope="module")
def parts(two_part_bundle: Path) -> OnnxClassifier:
    return OnnxClassifier(Bundle.load(two_part_bundle))


@pytest.fixture(scope="module")
def whole(two_part_bundle: Path) -> OnnxClassifier:
    return OnnxClassifier(Bundle.load(two_part_bundle), reuse=False)


def test_the_two_part_form_is_chosen_by_itself(
    parts: OnnxClassifier, whole: OnnxClassifier, classifier: OnnxClassifier
) -> None:
    assert parts.feature_reuse is not None
    assert whole.feature_reuse is None
    assert classifier.feature_reuse is None


@pytest.mark.parametrize("hop_s", [0.5, 0.25, 0.33, 0.1])
def test_it_equals_the_whole_graph(
    parts: OnnxClassifier, whole: OnnxClassifier, hop_s: float
) -> None:
    wave = make_wave(7.3)
    wave[3 * RATE : 5 * RATE] = 0
    reused, plain = (
        recognize(
            WindowedRecognizer(model, StreamSettings(window_s=1.5, hop_s=hop_s)), wave, [1600]
        )
        for model in (parts, whole)
    )
    assert_equal(reused, plain, 1e-4)
    answers = [p.probabilities for p in reused if p.probabilities is not None]
    assert np.ptp(answers, axis=0).max() > 0.05


@given(
    blocks=st.lists(st.integers(1, 20_000), min_size=1, max_size=4),
    seconds=st.floats(0.05, 6),
    window=st.integers(4000, 30_000),
    hop=st.integers(1500, 9000) | st.sampled_from([1600, 3200, 8000]),
    first=st.integers(200, 16_000),
    gaps=st.tuples(st.integers(1, 6)) | st.just(()),
    quiet=st.booleans(),
)
@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
def test_any_chunks_windows_and_gaps_give_what_whole_windows_give(
    blocks: list[int],
    seconds: float,
    window: int,
    hop: int,
    first: int,
    gaps: tuple[int, ...],
    quiet: bool,  # noqa: FBT001 (hypothesis draws it)
) -> None:
    wave = make_wave(seconds)
    if quiet:
        wave[len(wave) // 3 : 2 * len(wave) // 3] = 0
    lengths = (window / RATE, min(hop, window) / RATE, min(first, window) / RATE)
    reused, plain = (
        recognize(recognizer(model, *lengths), wave, blocks, gaps)
        for model in (CountingClassifier(), Whole())
    )
    assert_equal(reused, plain, 1e-6)


@given(
    spans=st.lists(
        st.tuples(st.integers(0, 80_000), st.integers(400, 16_000)), min_size=2, max_size=12
    ),
    grid=st.sampled_from([1, 64, STRIDE]),
)
@settings(max_examples=100)
def test_windows_at_any_place_in_any_order_give_what_they_give_alone(
    spans: list[tuple[int, int]], grid: int
) -> None:
    """Whatever a gate or a pacer leaves out, and wherever windows lie to one another."""
    wave = make_wave(6)
    model = CountingClassifier()
    shared = FeatureCache(model, REUSE)
    for place, length in spans:
        start = place // grid * grid
        window = Window(wave[start : start + length], start, start + length, is_partial=True)
        np.testing.assert_array_equal(shared(window), model(window.samples[np.newaxis])[0])


@pytest.mark.parametrize("blocks", [[333], [1600], [48_000], [7, 9000, 12]])
def test_numbers_do_not_depend_on_chunks(parts: OnnxClassifier, blocks: list[int]) -> None:
    wave = make_wave(5.4)
    reused, other = (recognize(WindowedRecognizer(parts), wave, sizes) for sizes in ([800], blocks))
    for one, two in zip(reused, other, strict=True):
        assert one.probabilities is not None
        assert two.probabilities is not None
        assert one.probabilities.tobytes() == two.probabilities.tobytes()


def test_each_frame_is_computed_once() -> None:
    model = CountingClassifier()
    recognize(WindowedRecognizer(model), make_wave(10), [1600])
    assert model.calls == 19
    assert model.frames == (10 * RATE - RECEPTIVE_FIELD) // STRIDE + 1


def test_a_hop_beside_the_stride_shares_every_other_windows_frames() -> None:
    model = CountingClassifier()
    recognize(WindowedRecognizer(model, StreamSettings(hop_s=0.25)), make_wave(10), [1600])
    once = (10 * RATE - RECEPTIVE_FIELD) // STRIDE + 1
    assert once < model.frames < 2.1 * once


def test_audio_that_no_window_asks_about_costs_nothing() -> None:
    model, wave = CountingClassifier(), make_wave(60)
    wave[5 * RATE : 55 * RATE] = 0
    recognize(WindowedRecognizer(model), wave, [1600])
    assert model.frames < 16 * RATE / STRIDE


def test_a_padded_scrap_leaves_nothing_to_later_windows() -> None:
    wave = make_wave(2)
    reused, plain = (
        recognize(recognizer(model, 1.0, 0.05, 0.05), wave, [1600])
        for model in (CountingClassifier(), Whole())
    )
    assert_equal(reused, plain, 1e-6)


def test_the_window_that_an_interrupt_broke_off_is_right_when_it_comes_again() -> None:
    model, wave = CountingClassifier(), make_wave(3.2)
    stream = WindowedRecognizer(model)
    reused = list(stream.feed(AudioChunk(wave[:25_000], 0, 0.0)))
    model.broken_off_at = 3
    with pytest.raises(KeyboardInterrupt):
        list(stream.feed(AudioChunk(wave[25_000:33_000], 25_000, 0.0)))
    reused += stream.flush()
    assert [p.end_s for p in reused[:3]] == [1, 1.5, 2]
    assert_equal(reused[:3], recognize(WindowedRecognizer(Whole()), wave, [1600])[:3], 1e-6)


def test_a_graph_whose_frames_are_not_the_manifests_is_found_out() -> None:
    reuse = FeatureReuse(Path("frontend"), Path("encoder"), RECEPTIVE_FIELD, 160, 1)
    stream = WindowedRecognizer(CountingClassifier(reuse))
    with pytest.raises(BundleInvalidError, match="49 frames"):
        list(stream.feed(AudioChunk(make_wave(1), 0, 0.0)))


def test_streams_of_a_batcher_share_features_too(
    parts: OnnxClassifier, whole: OnnxClassifier
) -> None:
    model, wave = CountingClassifier(), make_wave(6)
    with Batcher(model, max_batch=4) as batcher:
        reused = recognize(WindowedRecognizer(batcher.open()), wave, [1600])
    assert model.frames == (6 * RATE - RECEPTIVE_FIELD) // STRIDE + 1
    assert_equal(reused, recognize(WindowedRecognizer(Whole()), wave, [1600]), 1e-6)
    with Batcher(parts) as served, Batcher(whole) as plain:
        assert served.open().feature_reuse == parts.feature_reuse
        assert plain.open().feature_reuse is None
        reused, expected = (
            recognize(WindowedRecognizer(batcher.open()), wave, [1600])
            for batcher in (served, plain)
        )
    assert_equal(reused, expected, 1e-4)


def test_ten_hours_cost_the_same_at_every_hop() -> None:
    class Low(CountingClassifier):
        sample_rate = 1000  # fewer samples, and as many windows

    model = Low(FeatureReuse(Path(), Path(), 400, 100, 1), stride=100)
    stream = WindowedRecognizer(model, StreamSettings(window_s=9.0, hop_s=3.0))
    block = make_wave(1)[:3000]
    frames, resident = [], []
    for hop in range(10 * 1200):
        posteriors = list(stream.feed(AudioChunk(block, 3000 * hop, 0.0)))
        if hop % 1200 == 10:
            assert posteriors[0].probabilities is not None
            frames.append(model.frames)
            resident.append(psutil.Process().memory_info().rss)
    assert set(np.diff(frames)) == {3600 * 10}
    assert max(resident) - resident[0] < 1_000_000
