"""A network of transformers, exported in two parts, and the stream that shares its features."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from ser_rt.bundle import Bundle
from ser_rt.checkpoint import save_checkpoint
from ser_rt.config import ModelConfig
from ser_rt.export.bundle import Settings, export_bundle
from ser_rt.model import EmotionModel
from ser_rt.runtime.audio import AudioChunk
from ser_rt.runtime.check import PARTS, check
from ser_rt.runtime.onnx_classifier import OnnxClassifier
from ser_rt.runtime.recognizer import Posterior, WindowedRecognizer
from tests.conftest import make_wave

XLSR_IN_SMALL = {
    "model_type": "wav2vec2",
    "feat_extract_norm": "layer",
    "do_stable_layer_norm": True,
    "conv_bias": True,
    "conv_dim": [16] * 7,
    "conv_kernel": [10, 3, 3, 3, 3, 2, 2],
    "conv_stride": [5, 2, 2, 2, 2, 2, 2],
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 2,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(3)
    settings = ModelConfig(
        architecture="wav2vec2",
        emotion_labels=("Neutral", "Angry", "Joy"),
        encoder_config=XLSR_IN_SMALL,
        input_normalization="none",
    )
    model = EmotionModel(settings).eval()
    with torch.no_grad():
        # A random network hears little difference: its head is made for what there is.
        waves = torch.from_numpy(np.stack([make_wave(2, seed=seed) for seed in range(12)]))
        embeddings = model(waves)["embedding"]
        model.head.weight.div_((embeddings @ model.head.weight.T).std(dim=0)[:, None])
        model.head.bias.copy_(-model.head.weight @ embeddings.mean(dim=0))
    folder = tmp_path_factory.mktemp("run")
    save_checkpoint(model, folder, temperature=1.0, training={})
    return folder


@pytest.fixture(scope="module", params=["fp32", pytest.param("int8", marks=pytest.mark.slow)])
def bundle(
    request: pytest.FixtureRequest, checkpoint: Path, tmp_path_factory: pytest.TempPathFactory
) -> Bundle:
    settings = Settings(precision=request.param, gates="report")
    folder = tmp_path_factory.mktemp("bundles") / request.param
    return Bundle.load(export_bundle(checkpoint, folder, settings))


def hear(classifier: OnnxClassifier, hop_s: float) -> list[Posterior]:
    wave = make_wave(6.1)
    wave[int(2.2 * 16_000) : int(2.9 * 16_000)] = 0
    recognizer = WindowedRecognizer(classifier, window_s=2.0, hop_s=hop_s)
    posteriors = []
    for start in range(0, len(wave), 1600):
        posteriors += recognizer.feed(AudioChunk(wave[start : start + 1600], start, 0.0))
    return posteriors + recognizer.flush()


@pytest.mark.parametrize("hop_s", [0.5, 0.33])
def test_a_stream_that_shares_features_hears_what_whole_windows_say(
    bundle: Bundle, hop_s: float
) -> None:
    parts, whole = OnnxClassifier(bundle), OnnxClassifier(bundle, reuse=False)
    assert parts.feature_reuse is not None
    shared, plain = (
        np.array([p.probabilities for p in hear(model, hop_s)]) for model in (parts, whole)
    )
    assert np.ptp(plain, axis=0).max() > 0.01
    limit = 1e-4 if bundle.precision == "fp32" else 0.05
    np.testing.assert_allclose(shared, plain, atol=limit)
    np.testing.assert_array_equal(shared.argmax(axis=1), plain.argmax(axis=1))


def test_ser_check_passes_it(bundle: Bundle) -> None:
    report = check(bundle, ["cpu"], windows=6)
    assert report.ok
    assert [row.form for row in report.rows] == ["whole", PARTS]
