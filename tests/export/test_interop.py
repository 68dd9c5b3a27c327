"""Other tools open a bundle: optimum, and transformers' pipeline."""

from __future__ import annotations

from pathlib import Path

import pytest

from ser_rt.bundle import Bundle
from ser_rt.export.precision import PRECISIONS
from ser_rt.runtime.backends.onnx_classifier import OnnxClassifier
from tests.conftest import make_wave
from tests.export.conftest import Export


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("precision", PRECISIONS)
def test_optimum_and_the_pipeline_hear_the_same(
    precision: str, wav2vec2: Path, export_once: Export
) -> None:
    optimum = pytest.importorskip("optimum.onnxruntime")
    from transformers import AutoFeatureExtractor, pipeline

    folder = export_once(wav2vec2, precision=precision)
    classifier = OnnxClassifier(Bundle.load(folder))
    wave = make_wave(2.0, seed=5)
    expected = classifier(wave[None])[0]
    model = optimum.ORTModelForAudioClassification.from_pretrained(folder)
    extractor = AutoFeatureExtractor.from_pretrained(folder)
    hear = pipeline("audio-classification", model=model, feature_extractor=extractor)
    # It reads files with ffmpeg, which not every machine has; what it makes of them is an array.
    heard = hear(wave, top_k=1)
    assert heard[0]["label"] == classifier.labels[int(expected.argmax())]
    assert heard[0]["score"] == pytest.approx(float(expected.max()), abs=1e-4)
