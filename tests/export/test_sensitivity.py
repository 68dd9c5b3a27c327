"""A network of which one product does not survive int8: it alone stays in float32."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch

from ser_rt.bundle import Bundle
from ser_rt.export.bundle import ExportSettings, export_bundle
from ser_rt.networks.checkpoint import load_classifier, load_model, save_checkpoint
from ser_rt.runtime.backends.onnx_classifier import OnnxClassifier
from tests.conftest import make_wave
from tests.export.conftest import TRAINING, Export

LOUD = 3e4


@pytest.fixture(scope="module")
def suffering(wav2vec2: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One channel is louder by far than the others, and what follows does not listen to it."""
    model, _ = load_model(wav2vec2)
    encoder: Any = model.encoder
    layer = encoder.network.encoder.layers[1]
    with torch.no_grad():
        layer.final_layer_norm.weight[0] = LOUD
        layer.feed_forward.intermediate_dense.weight *= 20.0
        layer.feed_forward.intermediate_dense.weight[:, 0] = 0.0
        layer.feed_forward.output_dense.weight *= 20.0
    folder = tmp_path_factory.mktemp("suffering")
    save_checkpoint(model, folder, temperature=1.7, training=TRAINING)
    return folder


def quantized_products(folder: Path) -> int:
    graph = onnx.load(folder / "model.onnx", load_external_data=False).graph
    restored = {n.output[0] for n in graph.node if n.op_type == "DequantizeLinear"}
    products = [n for n in graph.node if n.op_type in {"MatMul", "Conv"}]
    return sum(set(node.input[:2]) <= restored for node in products)


def test_what_suffers_stays_in_float(
    suffering: Path, wav2vec2: Path, export_once: Export, tmp_path: Path
) -> None:
    lines: list[str] = []
    folder = export_bundle(
        suffering, tmp_path / "out", ExportSettings(precision="int8"), report=lines.append
    )
    form = "static, 5% in float"
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["form"] == form
    assert any("judged int8 (static): FAILED" in line for line in lines)
    assert any(f"judged int8 ({form}): logits within" in line for line in lines)
    plain = export_once(wav2vec2, precision="int8")
    assert quantized_products(folder) == quantized_products(plain) - 2  # a twentieth of 22
    wave = make_wave(2.0)[None]
    heard, right = OnnxClassifier(Bundle.load(folder)), load_classifier(suffering)
    assert np.abs(heard(wave) - right(wave)).max() < 0.05
