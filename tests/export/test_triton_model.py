"""The model of Triton's python backend, run without Triton."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pytest

from ser_rt.bundle import Bundle
from ser_rt.classifier import FloatArray
from ser_rt.export.triton import push_triton
from ser_rt.runtime.backends.onnx_classifier import OnnxClassifier
from tests.conftest import make_wave


class Tensor(NamedTuple):
    name: str
    values: FloatArray

    def as_numpy(self) -> FloatArray:
        return self.values


class Request(NamedTuple):
    waveforms: FloatArray
    outputs: tuple[str, ...]

    def requested_output_names(self) -> tuple[str, ...]:
        return self.outputs


def test_requests_are_run_as_one_batch(
    tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = SimpleNamespace(
        Tensor=Tensor,
        InferenceResponse=lambda tensors: {tensor.name: tensor.values for tensor in tensors},
        get_input_tensor_by_name=lambda request, name: Tensor(name, request.waveforms),
    )
    monkeypatch.setitem(sys.modules, "triton_python_backend_utils", backend)
    bundle = Bundle.load(tiny_bundle)
    version = push_triton(bundle, tmp_path, "python")
    spec = importlib.util.spec_from_file_location("pushed_model", version / "model.py")
    assert spec is not None
    assert spec.loader is not None
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    shutil.copy(bundle.model_path, version)
    model = module.TritonPythonModel()
    model.initialize({"model_repository": str(version.parent), "model_version": version.name})
    waves = [make_wave(1.0)[None], np.stack([make_wave(1.0, seed=seed) for seed in (1, 2)])]
    responses = model.execute([Request(wave, ("probabilities", "logits")) for wave in waves])
    classifier = OnnxClassifier(bundle)
    for wave, response in zip(waves, responses, strict=True):
        assert response.keys() == {"probabilities", "logits"}
        assert response["logits"].shape == (len(wave), 6)
        np.testing.assert_allclose(response["probabilities"], classifier(wave), atol=1e-6)
