"""The same answers from another runtime."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from ser_rt.bundle import Bundle, write_bundle
from ser_rt.errors import ProviderError
from ser_rt.runtime.backends.onnx_classifier import OnnxClassifier
from ser_rt.runtime.backends.parity import check
from ser_rt.testing.bundles import MANIFEST
from tests.conftest import make_wave
from tests.support.two_part_bundle import build_two_part_bundle


def test_without_openvino_the_extra_is_named(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(ProviderError, match=r"pip install 'ser-rt\[openvino\]'"):
        OnnxClassifier(Bundle.load(tiny_bundle), "openvino")


class TestWithOpenVino:
    @pytest.fixture(autouse=True)
    def openvino(self) -> None:
        pytest.importorskip("openvino", reason="OpenVINO is not installed")

    @pytest.mark.parametrize("name", ["tiny_bundle", "two_part_bundle"])
    def test_it_answers_as_the_cpu_does(self, name: str, request: pytest.FixtureRequest) -> None:
        bundle = Bundle.load(request.getfixturevalue(name))
        here, there = OnnxClassifier(bundle), OnnxClassifier(bundle, "openvino")
        assert there.provider == "openvino"
        assert there.nodes["OpenVINO"] > 5
        for batch, seconds in ((1, 3.0), (2, 1.0), (1, 0.7), (1, 3.0)):
            waves = np.stack([make_wave(seconds, seed=seed) for seed in range(batch)])
            np.testing.assert_allclose(there(waves), here(waves), atol=1e-5)
            np.testing.assert_allclose(
                there.outputs(waves, "embedding")[0],
                here.outputs(waves, "embedding")[0],
                atol=1e-4,
            )

    def test_an_int8_bundle_answers_at_every_shape(self, tmp_path: Path) -> None:
        bundle = Bundle.load(build_two_part_bundle(tmp_path / "int8", precision="int8"))
        here, there = OnnxClassifier(bundle), OnnxClassifier(bundle, "openvino", threads=1)
        for batch, seconds in ((1, 3.0), (1, 1.0), (2, 3.0), (1, 0.7), (1, 3.0)):
            waves = np.stack([make_wave(seconds, seed=seed) for seed in range(batch)])
            np.testing.assert_allclose(there(waves), here(waves), atol=0.02)

    def test_an_int8_bundle_answers_many_threads_of_other_shapes(self, tmp_path: Path) -> None:
        bundle = Bundle.load(build_two_part_bundle(tmp_path / "int8", precision="int8"))
        classifier = OnnxClassifier(bundle, "openvino", threads=1)
        waves = [make_wave(1 + seed % 3, seed=seed)[np.newaxis] for seed in range(9)]
        with ThreadPoolExecutor(9) as pool:
            got = list(pool.map(classifier, waves))
        for wave, one in zip(waves, got, strict=True):
            np.testing.assert_array_equal(classifier(wave), one)

    def test_answers_stay_when_the_next_call_comes(self, tiny_bundle: Path) -> None:
        classifier = OnnxClassifier(Bundle.load(tiny_bundle), "openvino")
        first = classifier(make_wave(1)[np.newaxis])
        kept = first.copy()
        classifier(make_wave(1, seed=5)[np.newaxis])
        np.testing.assert_array_equal(first, kept)

    def test_it_is_checked_with_the_others(self, two_part_bundle: Path) -> None:
        report = check(Bundle.load(two_part_bundle), ["openvino"], windows=3)
        assert report.ok
        assert report.rows[-1].provider == "openvino"

    def test_a_file_that_is_no_graph_is_refused(self, tmp_path: Path) -> None:
        folder = write_bundle(tmp_path / "bad", {"model.onnx": b"not a graph"}, MANIFEST)
        with pytest.raises(ProviderError, match=r"model\.onnx"):
            OnnxClassifier(Bundle.load(folder), "openvino")
