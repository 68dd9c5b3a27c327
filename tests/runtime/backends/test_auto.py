"""The provider `auto`: the processor is no silent choice where a GPU was meant."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from ser_rt import testing
from ser_rt.bundle import Bundle
from ser_rt.runtime.backends import opening
from ser_rt.runtime.backends.onnx_classifier import OnnxClassifier
from ser_rt.runtime.backends.providers import CPU, CUDA


@pytest.mark.parametrize(("precision", "why"), [("int8", "ser-export"), ("fp32", "CUDA")])
def test_auto_says_why_a_build_for_gpus_runs_on_the_processor(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    precision: str,
    why: str,
) -> None:
    bundle = Bundle.load(testing.tiny_bundle(tmp_path / "tiny", precision=precision))
    assert OnnxClassifier(bundle, "auto").provider == "cpu"
    assert not caplog.records, "a build for the processor has nothing to explain"
    there = SimpleNamespace(get_available_providers=lambda: [CUDA, CPU])
    monkeypatch.setattr(opening, "onnxruntime", lambda: there)
    assert OnnxClassifier(bundle, "auto").provider == "cpu"
    (record,) = caplog.records
    assert record.getMessage().startswith("auto runs on the processor: ")
    assert why in record.getMessage()
