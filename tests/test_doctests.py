"""The examples in docstrings run."""

from __future__ import annotations

import doctest
import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from ser_rt.bundle import Bundle, sample_path
from ser_rt.runtime.backends.onnx_classifier import OnnxClassifier
from tests.support.source_tree import modules

EXAMPLES = [name for name, path in modules().items() if ">>>" in path.read_text(encoding="utf-8")]


@pytest.fixture
def a_reader_has(
    request: pytest.FixtureRequest,
    tiny_bundle: Path,
    classifier: OnnxClassifier,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[dict[str, Any]]:
    """Names that examples take for granted, and speech.wav in the current folder."""
    monkeypatch.chdir(tmp_path)
    samples, rate_hz = soundfile.read(sample_path(), dtype="float32", stop=96_000)
    soundfile.write("speech.wav", samples, rate_hz)
    names = {
        "np": np,
        "Bundle": Bundle,
        "tiny_bundle": tiny_bundle,
        "model": classifier,
        "samples": samples[:52_800],
    }
    if not request.node.callspec.params["name"].startswith("ser_rt.client."):
        yield names
        return
    pytest.importorskip("uvicorn", reason="needs the server extra")
    from tests.server.conftest import serving

    with serving(classifier) as server:
        yield names | {"url": server.ws}


@pytest.mark.parametrize("name", EXAMPLES)
def test_docstrings(name: str, a_reader_has: dict[str, Any]) -> None:
    module = importlib.import_module(name)
    result = doctest.testmod(module, globs=a_reader_has | vars(module))
    assert result.attempted > 0
    assert result.failed == 0


def test_no_example_is_skipped() -> None:
    for name in EXAMPLES:
        assert "doctest: +SKIP" not in modules()[name].read_text(encoding="utf-8"), name
