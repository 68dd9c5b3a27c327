"""A network of transformers, exported in two parts, and the stream that shares its features."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ser_rt.audio.chunk import AudioChunk
from ser_rt.bundle import Bundle
from ser_rt.runtime.backends.onnx_classifier import OnnxClassifier
from ser_rt.runtime.backends.parity import PARTS, check
from ser_rt.runtime.recognizers.recognizer import Posterior
from ser_rt.runtime.recognizers.windowed import WindowedRecognizer
from ser_rt.runtime.settings import StreamSettings
from tests.conftest import make_wave
from tests.export.conftest import Export


@pytest.fixture(scope="module", params=["fp32", "int8"])
def bundle(request: pytest.FixtureRequest, wav2vec2: Path, export_once: Export) -> Bundle:
    return Bundle.load(export_once(wav2vec2, precision=request.param))


def classify(classifier: OnnxClassifier, hop_s: float) -> list[Posterior]:
    wave = make_wave(6.1)
    wave[int(2.2 * 16_000) : int(2.9 * 16_000)] = 0
    recognizer = WindowedRecognizer(classifier, StreamSettings(window_s=2.0, hop_s=hop_s))
    posteriors: list[Posterior] = []
    for start in range(0, len(wave), 1600):
        posteriors += recognizer.feed(AudioChunk(wave[start : start + 1600], start, 0.0))
    return posteriors + recognizer.flush()


@pytest.mark.parametrize("hop_s", [0.5, 0.33])
def test_a_stream_that_shares_features_agrees_with_whole_windows(
    bundle: Bundle, hop_s: float
) -> None:
    parts, whole = OnnxClassifier(bundle), OnnxClassifier(bundle, reuse=False)
    assert parts.feature_reuse is not None
    shared, plain = (
        np.array([p.probabilities for p in classify(model, hop_s)]) for model in (parts, whole)
    )
    assert np.ptp(plain, axis=0).max() > 0.01
    limit = 1e-4 if bundle.precision == "fp32" else 0.05
    np.testing.assert_allclose(shared, plain, atol=limit)
    np.testing.assert_array_equal(shared.argmax(axis=1), plain.argmax(axis=1))


def test_ser_check_passes_it(bundle: Bundle) -> None:
    report = check(bundle, ["cpu"], windows=6)
    assert report.ok
    assert [row.form for row in report.rows] == ["whole", PARTS]
