"""Other tools open a bundle: optimum, and transformers' pipeline."""

from __future__ import annotations

import json

import pytest

from ser_rt.bundle import Bundle
from ser_rt.config import ModelConfig
from ser_rt.export.interop import transformers_files
from ser_rt.runtime.backends.onnx_classifier import OnnxClassifier
from tests.conftest import make_wave
from tests.export.conftest import Export


def test_the_files_name_the_labels_and_leave_the_level_to_the_graph() -> None:
    files = transformers_files(ModelConfig(emotion_labels=("Joy", "Sad")))
    config, extractor = (json.loads(files[n]) for n in ("config.json", "preprocessor_config.json"))
    assert config["id2label"] == {"0": "Joy", "1": "Sad"}
    assert config["label2id"] == {"Joy": 0, "Sad": 1}
    assert (extractor["sampling_rate"], extractor["do_normalize"]) == (16_000, False)


@pytest.mark.parametrize("run", ["wav2vec2", "whisper"])
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_optimum_and_the_pipeline_return_the_same(
    run: str, request: pytest.FixtureRequest, export_once: Export
) -> None:
    optimum = pytest.importorskip("optimum.onnxruntime")
    from transformers import AutoFeatureExtractor, pipeline

    folder = export_once(request.getfixturevalue(run))
    classifier = OnnxClassifier(Bundle.load(folder))
    wave = make_wave(2.0, seed=5)
    expected = classifier(wave[None])[0]
    model = optimum.ORTModelForAudioClassification.from_pretrained(folder)
    extractor = AutoFeatureExtractor.from_pretrained(folder)
    classify = pipeline("audio-classification", model=model, feature_extractor=extractor)
    # It reads files with ffmpeg, which not every machine has; an array needs none.
    (found,) = classify(wave, top_k=1)
    assert found["label"] == classifier.labels[int(expected.argmax())]
    assert found["score"] == pytest.approx(float(expected.max()), abs=1e-4)
