"""Captured graphs, on the CPU: which call takes which graph, and that answers are right."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from ser_rt.bundle import Bundle
from ser_rt.errors import ProviderError
from ser_rt.runtime.backends.cuda_graphs import BATCHES, MOST_GRAPHS, CudaGraphs, uncapturable
from ser_rt.runtime.backends.onnx_classifier import OnnxClassifier
from ser_rt.runtime.backends.ort import onnxruntime
from ser_rt.runtime.backends.providers import CPU, PROVIDERS, Provider, Workload


@pytest.fixture
def bundle(tiny_bundle: Path) -> Bundle:
    return Bundle.load(tiny_bundle)


class OnCpu:
    """A session that must be called as one with CUDA graphs is, on the CPU."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self.graph_ids: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    def run(self, names: list[str] | None, feed: dict[str, Any], options: Any) -> Any:
        self.graph_ids.append(options.get_run_config_entry("gpu_graph_id"))
        return self._session.run(names, feed)

    def run_with_iobinding(self, binding: Any, options: Any) -> None:
        self.graph_ids.append(options.get_run_config_entry("gpu_graph_id"))
        self._session.run_with_iobinding(binding)


def test_each_shape_has_a_graph_of_its_own_and_the_right_answers(bundle: Bundle) -> None:
    ort = onnxruntime()
    real = ort.InferenceSession(str(bundle.model_path), providers=[CPU])
    graphs = CudaGraphs(ort, seen := OnCpu(real), device="cpu")
    rng = np.random.default_rng(0)
    for shape in [(1, 48_000), (1, 16_000), (1, 48_000), (2, 16_000), (1, 16_000), (1, 48_000)]:
        wave = rng.standard_normal(shape).astype(np.float32)
        found = graphs.run(["embedding", "probabilities"], "input_values", wave)
        for got, expected in zip(
            found, real.run(["embedding", "probabilities"], {"input_values": wave}), strict=True
        ):
            np.testing.assert_array_equal(got, expected)
    assert seen.graph_ids == ["-1", "-1", "1", "-1", "2", "1"]


def test_shapes_without_end_are_not_all_captured(bundle: Bundle) -> None:
    ort = onnxruntime()
    real = ort.InferenceSession(str(bundle.model_path), providers=[CPU])
    graphs = CudaGraphs(ort, seen := OnCpu(real), device="cpu")
    lengths = range(1000, 1000 + 2 * MOST_GRAPHS)
    for length in lengths:
        graphs.run(["logits"], "input_values", np.ones((1, length), np.float32))
    assert set(seen.graph_ids) == {"-1"}, "a length that came once"
    for length in [*lengths, *lengths]:
        graphs.run(["logits"], "input_values", np.ones((1, length), np.float32))
    assert len(graphs._captured) == MOST_GRAPHS
    seen.graph_ids.clear()
    for _ in range(3):
        graphs.run(["logits"], "input_values", np.ones((1, lengths[-1]), np.float32))
    assert set(seen.graph_ids) == {"-1"}


def test_what_is_remembered_of_shapes_does_not_grow(bundle: Bundle) -> None:
    ort = onnxruntime()
    real = ort.InferenceSession(str(bundle.model_path), providers=[CPU])
    graphs = CudaGraphs(ort, OnCpu(real), device="cpu")
    for length in range(1000, 1400):
        graphs.run(["logits"], "input_values", np.ones((1, length), np.float32))
    assert len(graphs._seen) == 256


@pytest.mark.parametrize("batch", [1, 5, 7, 8, 13, 300])
def test_batches_are_filled_up_to_a_few_sizes(bundle: Bundle, batch: int) -> None:
    ort = onnxruntime()
    real = ort.InferenceSession(str(bundle.model_path), providers=[CPU])
    graphs = CudaGraphs(ort, OnCpu(real), device="cpu")
    rng = np.random.default_rng(batch)
    for _ in range(3):
        waves = rng.standard_normal((batch, 4000)).astype(np.float32)
        (found,) = graphs.run(["probabilities"], "input_values", waves)
        (expected,) = real.run(["probabilities"], {"input_values": waves})
        np.testing.assert_allclose(found, expected, atol=1e-6)
    ((captured, _),) = graphs._captured
    assert captured == (batch if batch > BATCHES[-1] else min(b for b in BATCHES if b >= batch))


class Assigned:
    """A session of which onnxruntime tells what runs where."""

    def __init__(self, **ops: list[str]) -> None:
        self._parts = [
            SimpleNamespace(
                ep_name=name,
                get_nodes=lambda kinds=kinds: [SimpleNamespace(op_type=k) for k in kinds],
            )
            for name, kinds in ops.items()
        ]

    def get_provider_graph_assignment_info(self) -> Any:
        return self._parts


def test_ops_that_read_the_processors_memory_at_launch_are_found() -> None:
    ops = ["Add", "Concat", "Split", "MatMul"]
    assert uncapturable(Assigned(cuda=ops, cpu=["GatherND"]), "cuda") == {"Concat", "Split"}
    assert not uncapturable(Assigned(cuda=["Add"], cpu=ops), "cuda")


def test_a_network_that_cannot_be_captured_runs_as_it_is(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tiny network joins its figures with a Concat."""
    plain = PROVIDERS["cpu"].executions(Workload(bundle))[0]
    monkeypatch.setitem(
        PROVIDERS, "cuda", Provider(lambda _: [replace(plain, captures=True)], "gpu")
    )
    with pytest.raises(ProviderError, match="Concat"):
        OnnxClassifier(bundle, "cuda")
    monkeypatch.setitem(
        PROVIDERS, "cuda", Provider(lambda _: [replace(plain, captures=True), plain], "gpu")
    )
    waves = np.ones((2, 16_000), np.float32)
    expected = OnnxClassifier(bundle)(waves)
    np.testing.assert_array_equal(OnnxClassifier(bundle, "cuda")(waves), expected)
