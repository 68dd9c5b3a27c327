"""The examples in docstrings run."""

import doctest
import importlib
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ser_rt.bundle import Bundle, sample_path
from ser_rt.runtime.backends.onnx_classifier import OnnxClassifier


@pytest.mark.parametrize("name", ["windower", "onnx_classifier", "stream", "sources.push"])
def test_docstrings(name: str, tiny_bundle: Path, classifier: OnnxClassifier) -> None:
    module = importlib.import_module(f"ser_rt.runtime.{name}")
    names = vars(module) | {
        "np": np,
        "Bundle": Bundle,
        "tiny_bundle": tiny_bundle,
        "model": classifier,
        "samples": soundfile.read(sample_path(), dtype="float32", stop=52_800)[0],
    }
    result = doctest.testmod(module, globs=names)
    assert result.attempted > 0
    assert result.failed == 0
