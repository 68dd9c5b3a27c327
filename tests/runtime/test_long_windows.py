"""A window longer than the positions of a Whisper encoder is refused before audio is decoded."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import ser_rt
from ser_rt.bundle import Bundle
from ser_rt.errors import ConfigError
from ser_rt.runtime.backends.onnx_classifier import OnnxClassifier
from ser_rt.runtime.batcher import Batcher
from ser_rt.runtime.settings import StreamSettings

POSITIONS = {"encoder_config": {"model_type": "whisper", "max_source_positions": 1500}}


def described(bundle: Path, folder: Path, **network: object) -> Path:
    """Return a copy of a bundle whose manifest describes a Whisper network."""
    copy = shutil.copytree(bundle, folder)
    path = copy / "manifest.json"
    manifest = json.loads(path.read_text("utf-8")) | {"model": POSITIONS | network}
    path.write_text(json.dumps(manifest), "utf-8")
    return copy


def test_a_window_over_30_s_is_refused(tiny_bundle: Path, tmp_path: Path) -> None:
    model = OnnxClassifier(Bundle.load(described(tiny_bundle, tmp_path / "bundle")))
    with pytest.raises(ConfigError, match="31 s, and this model takes at most 30 s"):
        list(ser_rt.stream(tmp_path / "none.wav", model=model, window_s=31.0))
    with Batcher(model) as batcher, pytest.raises(ConfigError, match="at most 30 s"):
        StreamSettings(window_s=30.5).windows_for(batcher.open())
    assert StreamSettings(window_s=30.0).windows_for(model).window_s == 30.0


def test_positions_of_a_network_that_streams_wrap(tiny_bundle: Path, tmp_path: Path) -> None:
    wraps = Bundle.load(described(tiny_bundle, tmp_path / "bundle", streaming=True))
    assert wraps.max_window_s is None
    for any_length in (Bundle.load(tiny_bundle), wraps):
        model = OnnxClassifier(any_length)
        assert StreamSettings(window_s=60.0).windows_for(model).window_s == 60.0
        assert np.isfinite(model(np.zeros((1, 40 * 16_000), np.float32))).all()
