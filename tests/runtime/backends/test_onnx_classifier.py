from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from ser_rt import testing
from ser_rt.bundle import Bundle, write_bundle
from ser_rt.errors import (
    AudioInputError,
    BundleInvalidError,
    ConfigError,
    InferenceError,
    ProviderError,
)
from ser_rt.runtime.backends.onnx_classifier import OnnxClassifier
from ser_rt.runtime.backends.ort import onnxruntime
from ser_rt.runtime.backends.providers import PROVIDERS
from ser_rt.testing import LABELS
from ser_rt.testing.bundles import MANIFEST, tiny_model
from tests.conftest import make_wave


def test_it_classifies_batches_of_any_length(classifier: OnnxClassifier) -> None:
    for batch, count in ((1, 16_000), (3, 12_345)):
        waves = np.stack([make_wave(1, seed=i)[:count] for i in range(batch)])
        probabilities = classifier(waves)
        assert probabilities.shape == (batch, len(LABELS))
        assert probabilities.dtype == np.float32
        np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    logits, embedding = classifier.outputs(waves, "logits", "embedding")
    assert logits.shape == (3, len(LABELS))
    assert embedding.shape[0] == 3
    assert classifier.labels == LABELS
    assert classifier.sample_rate == 16_000


@pytest.mark.parametrize(
    "waves",
    [np.zeros(9, np.float32), np.zeros((1, 9)), np.zeros((1, 0), np.float32)],
    ids=["flat", "float64", "empty"],
)
def test_other_waveforms_are_refused(classifier: OnnxClassifier, waves: Any) -> None:
    with pytest.raises(AudioInputError, match=r"float32 \[batch, samples\], not"):
        classifier(waves)


def test_a_model_that_fails_says_at_what(two_part_bundle: Path) -> None:
    model = OnnxClassifier(Bundle.load(two_part_bundle))
    with pytest.raises(InferenceError, match=r"at \[1, 100\]") as caught:
        model(np.zeros((1, 100), np.float32))
    assert "\n" not in str(caught.value)


def test_a_provider_that_does_not_come_up_is_an_error(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = Bundle.load(tiny_bundle)
    ort = onnxruntime()
    monkeypatch.setattr(ort, "get_available_providers", lambda: ["CPUExecutionProvider"])
    with pytest.raises(ProviderError, match=r"ser-rt\[gpu\]"):
        OnnxClassifier(bundle, "cuda")
    assert OnnxClassifier(bundle, "auto").provider == "cpu"


def test_a_silent_fall_back_is_an_error(tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Fallen:
        def __init__(self, *_: object, **__: object) -> None: ...

        def get_providers(self) -> list[str]:
            return ["CPUExecutionProvider"]

    ort = onnxruntime()
    monkeypatch.setattr(ort, "get_available_providers", lambda: ["CUDAExecutionProvider"])
    monkeypatch.setattr(ort, "InferenceSession", Fallen)
    with pytest.raises(ProviderError, match="CUDAExecutionProvider"):
        OnnxClassifier(Bundle.load(tiny_bundle), "cuda")


def test_unknown_providers_and_bad_threads_are_refused(tiny_bundle: Path) -> None:
    bundle = Bundle.load(tiny_bundle)
    with pytest.raises(ConfigError, match=f"no provider 'tpu'; there are {', '.join(PROVIDERS)}"):
        OnnxClassifier(bundle, "tpu")
    with pytest.raises(ConfigError, match="threads"):
        OnnxClassifier(bundle, threads=0)


def test_a_file_that_is_no_graph_is_refused(tmp_path: Path) -> None:
    folder = write_bundle(tmp_path / "bad", {"model.onnx": b"not a graph"}, MANIFEST)
    with pytest.raises(BundleInvalidError, match="does not load") as caught:
        OnnxClassifier(Bundle.load(folder))
    assert "\n" not in str(caught.value)


def test_a_graph_of_another_shape_is_refused(tmp_path: Path) -> None:
    model = onnx.load_from_string(tiny_model())
    del model.graph.output[2]
    folder = write_bundle(tmp_path / "bad", {"model.onnx": model.SerializeToString()}, MANIFEST)
    with pytest.raises(BundleInvalidError, match="export it again"):
        OnnxClassifier(Bundle.load(folder))
    folder = testing.tiny_bundle(tmp_path / "tiny")
    five = replace(MANIFEST, labels=MANIFEST.labels[:5])
    write_bundle(folder, {"model.onnx": tiny_model(6)}, five)
    with pytest.raises(BundleInvalidError, match="names 5"):
        OnnxClassifier(Bundle.load(folder))


def test_a_model_says_what_it_is(classifier: OnnxClassifier) -> None:
    words = repr(classifier)
    for part in ("tiny 1.0", "fp32", "cpu", "whole windows", "Neutral, Angry"):
        assert part in words
