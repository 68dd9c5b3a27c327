"""A small Whisper at every precision: whole windows, and windows as a stream computes them."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import pytest

from ser_rt.bundle import Bundle
from ser_rt.commands.check import main as check
from ser_rt.export.opsets import OPSETS
from ser_rt.export.precision import PRECISIONS
from ser_rt.networks.checkpoint import load_classifier, load_model, save_checkpoint
from ser_rt.runtime.backends.onnx_classifier import OnnxClassifier
from tests.conftest import make_wave
from tests.export.conftest import TRAINING, Export, decided, learning_on, whisper_settings

NEAR = {"fp32": 1e-5, "fp16": 5e-3, "int8": 0.1}


@pytest.mark.parametrize("precision", PRECISIONS)
def test_it_says_what_the_network_says(whisper: Path, export_once: Export, precision: str) -> None:
    compare(whisper, Bundle.load(export_once(whisper, precision=precision)))


@pytest.mark.parametrize("precision", PRECISIONS)
def test_training_goes_on_from_it(whisper: Path, export_once: Export, precision: str) -> None:
    folder = export_once(whisper, precision=precision)
    read, served = learning_on(folder), OnnxClassifier(Bundle.load(folder))
    assert read._model.settings == load_model(whisper)[0].settings
    for seconds in (0.4, 3.0):
        waves = np.stack([make_wave(seconds, seed=seed) for seed in range(3)])
        assert np.abs(served(waves) - read(waves)).max() < NEAR[precision]


def test_so_does_one_for_whole_windows(tmp_path: Path, export_once: Export) -> None:
    run = tmp_path / "run"
    save_checkpoint(
        decided(whisper_settings(streaming=False)), run, temperature=1.7, training=TRAINING
    )
    compare(run, Bundle.load(export_once(run)))


def test_another_opset_says_the_same(whisper: Path, export_once: Export) -> None:
    opset = OPSETS[-1]
    bundle = Bundle.load(export_once(whisper, opset=opset, windows_only=True))
    graph = onnx.load(bundle.folder / "model.onnx", load_external_data=False)
    assert graph.opset_import[0].version == opset
    compare(whisper, bundle)


def compare(checkpoint: Path, bundle: Bundle) -> None:
    assert bundle.architecture == "whisper"
    assert bundle.feature_reuse is None
    reference, served = load_classifier(checkpoint), OnnxClassifier(bundle)
    for seconds in (0.4, 1.3, 3.0):
        waves = np.stack([make_wave(seconds, seed=seed) for seed in range(3)])
        assert np.abs(served(waves) - reference(waves)).max() < NEAR[bundle.precision]


def test_a_bundle_passes_its_check(whisper: Path, export_once: Export) -> None:
    assert check([str(export_once(whisper)), "--provider", "cpu", "--windows", "3"]) == 0


def test_layers_can_be_left_out(whisper: Path, export_once: Export) -> None:
    folder = export_once(whisper, layers=2, windows_only=True)
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["layers"]["kept"] == 2
    graph = onnx.load(folder / "model.onnx", load_external_data=False).graph
    ops = Counter(node.op_type for node in graph.node)
    assert ops["Softmax"] == 2 + 2  # of attention; of frames and labels
    waves = make_wave(2.0)[None]
    served = OnnxClassifier(Bundle.load(folder))
    assert np.abs(learning_on(folder)(waves) - served(waves)).max() < NEAR["fp32"]
