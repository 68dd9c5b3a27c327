"""A folder becomes a classifier, whether export or training wrote it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from ser_rt import testing
from ser_rt.errors import BundleInvalidError, BundleNotFoundError, CheckpointError, ConfigError
from ser_rt.inference import create_inference_engine
from ser_rt.loading import open_model
from ser_rt.manifest import MANIFEST_FILE
from ser_rt.runtime.settings import StreamSettings
from ser_rt.testing import LABELS
from tests.support.tones import RATE, write_tone

if TYPE_CHECKING:
    from pathlib import Path


def test_a_bundle(tmp_path: Path) -> None:
    classifier = open_model(testing.tiny_bundle(tmp_path / "tiny"))
    assert classifier.labels == LABELS
    assert classifier.sample_rate == RATE


def test_a_corrupt_bundle_is_refused(tmp_path: Path) -> None:
    folder = testing.tiny_bundle(tmp_path / "tiny")
    (folder / "model.onnx").write_bytes(b"something else")
    with pytest.raises(BundleInvalidError):
        open_model(folder)
    (folder / MANIFEST_FILE).write_text("{")
    with pytest.raises(BundleInvalidError):
        open_model(folder)


def test_a_checkpoint(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from ser_rt.config import ModelConfig
    from ser_rt.networks.checkpoint import save_checkpoint
    from ser_rt.networks.model import EmotionModel

    model = EmotionModel(ModelConfig(architecture="compact", emotion_labels=LABELS))
    save_checkpoint(model, tmp_path / "run", temperature=2.0, training={})
    engine = create_inference_engine(tmp_path / "run", settings=StreamSettings(gate_threshold=0))
    paths = [write_tone(tmp_path / f"{s}.wav", "Joy", s) for s in (0.1, 1.0, 1.0, 12.0)]
    results = engine.predict_batch(paths)
    assert [r["status"] for r in results] == ["success"] * 4
    for path, result in zip(paths, results, strict=True):
        alone = engine.predict_single(path)["probabilities"]
        assert alone == pytest.approx(result["probabilities"], abs=1e-5)
        assert np.isfinite(list(alone.values())).all()


def test_a_checkpoint_runs_on_the_cpu(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="export"):
        open_model(tmp_path, "cuda")


def test_what_is_neither_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleNotFoundError):
        open_model(tmp_path / "nowhere")
    pytest.importorskip("torch")
    with pytest.raises(CheckpointError, match="ser-train"):
        open_model(tmp_path)
