"""Captured graphs, on the CPU: which call takes which graph, and that answers are right."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ser_rt.bundle import Bundle
from ser_rt.runtime.cuda_graphs import MOST_GRAPHS, CudaGraphs
from ser_rt.runtime.providers import CPU, onnxruntime


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
    for length in range(1000, 1000 + 2 * MOST_GRAPHS):
        graphs.run(["logits"], "input_values", np.ones((1, length), np.float32))
    assert len(graphs._captured) == MOST_GRAPHS
    wave = np.ones((1, 1000 + 2 * MOST_GRAPHS), np.float32)
    for _ in range(3):
        graphs.run(["logits"], "input_values", wave)
    assert set(seen.graph_ids) == {"-1"}
