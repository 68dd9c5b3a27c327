"""A network with caches computes each hop once, and gives what it would give in any other way."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ser_rt.audio.chunk import AudioChunk
from ser_rt.classifier import Hop, HopResult
from ser_rt.errors import AudioInputError, ConfigError
from ser_rt.runtime.backends.onnx_classifier import OnnxClassifier
from ser_rt.runtime.recognizers.recognizer import Posterior
from ser_rt.runtime.recognizers.windowed import WindowedRecognizer
from ser_rt.runtime.settings import StreamSettings
from ser_rt.runtime.stream import load
from tests.conftest import RATE, make_wave
from tests.support.recording_classifier import RecordingClassifier, cut, posteriors_of

HOP = RATE // 2


@pytest.fixture(scope="module")
def classifier(streaming_bundle: Path) -> OnnxClassifier:
    return load(streaming_bundle)


@pytest.fixture(scope="module")
def whole(streaming_bundle: Path) -> OnnxClassifier:
    return load(streaming_bundle, streaming=False)


def digits(posteriors: Sequence[Posterior]) -> list[tuple[object, ...]]:
    return [
        (
            p.start_s,
            p.end_s,
            p.speech,
            p.is_partial,
            None if p.probabilities is None else p.probabilities.tobytes(),
        )
        for p in posteriors
    ]


def test_a_streaming_bundle_streams_unless_it_is_told_not_to(
    classifier: OnnxClassifier, whole: OnnxClassifier, tiny_bundle: Path
) -> None:
    assert classifier.streaming is not None
    assert whole.streaming is None
    assert load(tiny_bundle).streaming is None
    with pytest.raises(ConfigError, match="tiny has no graph with caches"):
        load(tiny_bundle, streaming=True)


def test_it_equals_whole_windows(classifier: OnnxClassifier, whole: OnnxClassifier) -> None:
    """Of the tiny bundle a window is the last hop of a fresh stream over its samples."""
    wave = make_wave(3)
    streamed, windowed = (
        posteriors_of(WindowedRecognizer(model), wave) for model in (classifier, whole)
    )
    assert [(p.start_s, p.end_s) for p in streamed] == [(0, 0.5 * n) for n in range(1, 7)]
    assert [p.is_partial for p in streamed] == [True] * 5 + [False]
    assert [(p.start_s, p.end_s) for p in streamed] == [(p.start_s, p.end_s) for p in windowed]
    for one, other in zip(streamed, windowed, strict=True):
        assert one.probabilities is not None
        assert other.probabilities is not None
        np.testing.assert_allclose(one.probabilities, other.probabilities, atol=1e-5)
    answers = [p.probabilities for p in streamed if p.probabilities is not None]
    assert np.ptp(answers, axis=0).max() > 0.05


@given(
    seconds=st.floats(0.01, 8),
    blocks=st.lists(st.integers(1, 30_000), max_size=4).map(lambda some: [*some, 4000]),
    hop_s=st.sampled_from([0.1, 0.25, 0.26, 0.333, 0.5, 1.0]),
    min_window_s=st.sampled_from([None, 0.7, 3.0]),
    gap=st.sampled_from([0, 1, 4800, 80_000]),
    quiet=st.booleans(),
    partial=st.booleans(),
)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_chunks_give_the_same_bytes(
    classifier: OnnxClassifier,
    seconds: float,
    blocks: list[int],
    hop_s: float,
    min_window_s: float | None,
    gap: int,
    quiet: bool,  # noqa: FBT001 (hypothesis draws it)
    partial: bool,  # noqa: FBT001
) -> None:
    wave = make_wave(seconds)
    if quiet:
        wave[len(wave) // 4 : 3 * len(wave) // 4] = 0

    def events(sizes: Sequence[int]) -> list[tuple[object, ...]]:
        recognizer = WindowedRecognizer(
            classifier, StreamSettings(hop_s=hop_s, min_window_s=min_window_s, partial=partial)
        )
        half = len(wave) // 2
        found = [p for chunk in cut(wave[:half], sizes) for p in recognizer.feed(chunk)]
        for chunk in cut(wave[half:], sizes[::-1], half + gap):
            found += recognizer.feed(chunk)
        return digits(found + recognizer.flush())

    assert events(blocks) == events([10**9])


def test_each_sample_is_computed_once_and_in_order() -> None:
    model, wave = RecordingClassifier(), make_wave(7.2)
    posteriors = posteriors_of(WindowedRecognizer(model), wave, [997, 30_000, 3])
    assert [len(hop) for hop in model.hops] == [HOP] * 14 + [3200]
    assert [p.end_s for p in posteriors] == pytest.approx([0.5 * n for n in range(1, 15)] + [7.2])
    np.testing.assert_array_equal(model.streams[-1], wave)


@pytest.mark.parametrize("hop_s", [0.25, 0.333, 0.105])
def test_a_hop_that_is_no_number_of_frames_is_computed_to_its_last_whole_one(hop_s: float) -> None:
    model, wave = RecordingClassifier(), make_wave(6)
    posteriors = posteriors_of(WindowedRecognizer(model, StreamSettings(hop_s=hop_s)), wave)
    hop = round(hop_s * RATE)
    assert {len(samples) % 320 for samples in model.hops} == {0}
    assert len({len(samples) for samples in model.hops[:-1]}) == 2
    for posterior in posteriors[:-1]:
        end = round(posterior.end_s * RATE)
        samples = model.streams[end // hop - 1]
        assert 0 <= end - len(samples) < 320
        np.testing.assert_array_equal(samples, wave[: len(samples)])


@pytest.mark.parametrize(("seconds", "padded"), [(0.001, 1600), (0.11, 1920), (0.2, 3200)])
def test_a_scrap_is_filled_up_to_a_hop_that_the_network_can_do(seconds: float, padded: int) -> None:
    model, wave = RecordingClassifier(), np.ones(round(seconds * RATE), np.float32)
    posteriors_of(WindowedRecognizer(model, StreamSettings(gate_threshold=0)), wave)
    assert [len(hop) for hop in model.hops] == [padded]
    assert model.hops[0].sum() == len(wave)


def test_what_a_flush_has_computed_leaves_nothing_behind() -> None:
    model, wave = RecordingClassifier(), make_wave(2)
    recognizer = WindowedRecognizer(model)
    cut = round(1.2 * RATE)
    posteriors_of(recognizer, wave[:cut])
    posteriors_of(recognizer, wave[cut:], start=cut)
    np.testing.assert_array_equal(model.streams[-1], wave)


def test_behind_a_gap_the_stream_is_a_fresh_one(classifier: OnnxClassifier) -> None:
    first, second = make_wave(4.3), make_wave(4.3, seed=1)
    recognizer = WindowedRecognizer(classifier)
    posteriors_of(recognizer, first)
    alone = digits(posteriors_of(WindowedRecognizer(classifier), second))
    start = len(first) + 1
    after = posteriors_of(recognizer, second, start=start)
    assert [entry[2:] for entry in digits(after)] == [entry[2:] for entry in alone]


def test_silence_is_not_computed_and_after_it_a_fresh_stream_begins(
    classifier: OnnxClassifier,
) -> None:
    model = RecordingClassifier()
    wave = make_wave(70)
    wave[5 * RATE : 60 * RATE] = 0
    posteriors = posteriors_of(WindowedRecognizer(model), wave)
    # The gate is shut where less than a tenth of the 3 s up to a result is speech: 7.7 to 60.3 s.
    assert [p.end_s for p in posteriors if p.probabilities is None] == [
        0.5 * n for n in range(16, 121)
    ]
    assert sum(map(len, model.hops)) == round((7.5 + 3 + 9.5) * RATE)
    np.testing.assert_array_equal(model.streams[-1], wave[round(57.5 * RATE) :])
    fresh = posteriors_of(WindowedRecognizer(classifier), wave[round(57.5 * RATE) :])
    again = posteriors_of(WindowedRecognizer(classifier), wave)
    wanted = [p.probabilities for p in fresh][5:]
    found = [p.probabilities for p in again][120:]
    assert [p.tobytes() for p in found if p is not None] == [
        p.tobytes() for p in wanted if p is not None
    ]
    assert len(wanted) == 20


def test_an_end_that_opens_the_gate_is_computed_hop_by_hop() -> None:
    model, wave = RecordingClassifier(), make_wave(10.4)
    wave[RATE : 10 * RATE] = 0
    posteriors = posteriors_of(WindowedRecognizer(model), wave)
    assert posteriors[-2].probabilities is None
    assert posteriors[-1].probabilities is not None
    assert [len(hop) for hop in model.hops[-6:]] == [HOP] * 5 + [round(0.4 * RATE)]
    np.testing.assert_array_equal(model.streams[-1], wave[round(7.5 * RATE) :])


def test_a_short_silence_is_computed_late_and_changes_no_digit(classifier: OnnxClassifier) -> None:
    wave = make_wave(12)
    wave[4 * RATE : round(7.5 * RATE)] = 0
    gated = posteriors_of(WindowedRecognizer(classifier), wave)
    open_ = posteriors_of(WindowedRecognizer(classifier, StreamSettings(gate_threshold=0)), wave)
    shut = [p.end_s for p in gated if p.probabilities is None]
    assert shut == [7.0, 7.5]
    for one, other in zip(gated, open_, strict=True):
        if one.probabilities is not None:
            assert other.probabilities is not None
            assert one.probabilities.tobytes() == other.probabilities.tobytes()


def test_a_result_that_load_shedding_leaves_out_costs_no_audio() -> None:
    model, wave, now = RecordingClassifier(), make_wave(4), 0.0
    recognizer = WindowedRecognizer(model, clock=lambda: now)
    posteriors: list[Posterior] = []
    for start in range(0, len(wave), HOP):
        captured_at = (start + HOP) / RATE
        now = captured_at + (0.7 if 1 < captured_at <= 2 else 0.0)
        chunk = AudioChunk(wave[start : start + HOP], start, captured_at, is_live=True)
        posteriors += recognizer.feed(chunk)
    assert recognizer.skipped_windows == 2
    assert [p.end_s for p in posteriors] == [0.5, 1, 2.5, 3, 3.5, 4]
    np.testing.assert_array_equal(model.streams[-1], wave)


@pytest.mark.parametrize("price_s", [0.2, 0.41, 0.45])
@pytest.mark.parametrize("busy_s", [2, 30])
def test_after_a_slow_while_every_result_is_there_again(price_s: float, busy_s: int) -> None:
    """Results that were left out make the next one dearer, which is no sign of a slow model."""
    now = 0.0

    class Priced(RecordingClassifier):
        def classify_hops(self, hops: Sequence[Hop]) -> list[HopResult]:
            nonlocal now
            now += 0.7 if 10 <= now < 10 + busy_s else price_s
            return super().classify_hops(hops)

    recognizer, wave = WindowedRecognizer(Priced(), clock=lambda: now), make_wave(80)
    posteriors: list[Posterior] = []
    for start in range(0, len(wave), HOP):
        captured_at = (start + HOP) / RATE
        now = max(now, captured_at)
        chunk = AudioChunk(wave[start : start + HOP], start, captured_at, is_live=True)
        posteriors += recognizer.feed(chunk)
    warnings = [warning.code for posterior in posteriors for warning in posterior.warnings]
    changes = [code for code in warnings if code != "stale"]
    assert changes[-1] == "recovered"
    assert np.diff([p.end_s for p in posteriors if p.end_s > 60]) == pytest.approx(0.5)
    assert now - 80 < 0.5


def test_the_hops_that_wait_for_speech_are_no_sign_of_a_slow_model() -> None:
    now = 0.0

    class Priced(RecordingClassifier):
        def classify_hops(self, hops: Sequence[Hop]) -> list[HopResult]:
            nonlocal now
            now += 0.2
            return super().classify_hops(hops)

    model, wave = Priced(), make_wave(20)
    wave[4 * RATE : 12 * RATE] = 0
    recognizer = WindowedRecognizer(model, clock=lambda: now)
    posteriors: list[Posterior] = []
    for start in range(0, len(wave), HOP):
        now = max(now, (start + HOP) / RATE)
        chunk = AudioChunk(wave[start : start + HOP], start, (start + HOP) / RATE, is_live=True)
        posteriors += recognizer.feed(chunk)
    costs_s = [p.spent_s["inference"] for p in posteriors if "inference" in p.spent_s]
    assert max(costs_s) == pytest.approx(6 * 0.2)
    assert "degraded" not in [w.code for p in posteriors for w in p.warnings]
    np.testing.assert_array_equal(model.streams[-1], wave[-len(model.streams[-1]) :])


def test_the_hop_that_an_interrupt_broke_off_is_computed_again() -> None:
    model, wave = RecordingClassifier(), make_wave(1.5)
    recognizer = WindowedRecognizer(model)
    model.broken_off_at = 3
    with pytest.raises(KeyboardInterrupt):
        list(recognizer.feed(AudioChunk(wave, 0, 0.0)))
    assert [p.end_s for p in recognizer.flush()] == [1.5]
    np.testing.assert_array_equal(model.streams[-1], wave)


def test_an_answer_that_is_no_number_ends_with_its_hop() -> None:
    model, wave = RecordingClassifier(), make_wave(2)
    recognizer = WindowedRecognizer(model)
    model.is_mad_at = 2
    list(recognizer.feed(AudioChunk(wave[:HOP], 0, 0.0)))
    with pytest.raises(AudioInputError, match="finite"):
        list(recognizer.feed(AudioChunk(wave[HOP : 2 * HOP], HOP, 0.0)))
    (after,) = recognizer.feed(AudioChunk(wave[2 * HOP : 3 * HOP], 2 * HOP, 0.0))
    assert after.probabilities is not None
