"""CUDA graphs: the launches of a call are recorded once for each shape, and replayed as one.

A graph reads and writes memory at fixed places, so inputs and outputs are bound there.
https://onnxruntime.ai/docs/execution-providers/CUDA-ExecutionProvider.html#using-cuda-graphs-preview
"""

from __future__ import annotations

import threading
from typing import Any, NamedTuple

import numpy as np

from ser_rt.classifier import FloatArray

MOST_GRAPHS = 16
"""A graph keeps its memory until the session ends; shapes beyond these run without one."""

_SKIP = "-1"


class _Captured(NamedTuple):
    binding: Any
    options: Any
    input: Any
    outputs: dict[str, Any]


class CudaGraphs:
    """Runs a session with ``enable_cuda_graph``. Thread-safe: one call at a time."""

    def __init__(self, ort: Any, session: Any, device: str = "cuda") -> None:
        """Take onnxruntime and a session of it that runs on ``device``."""
        self._ort, self._session, self._device = ort, session, device
        self._outputs = [x.name for x in session.get_outputs()]
        self._captured: dict[tuple[int, ...], _Captured] = {}
        self._lock = threading.Lock()

    def run(self, names: list[str], name: str, values: FloatArray) -> list[FloatArray]:
        """Return outputs by ``names``, given the input ``name``."""
        with self._lock:
            captured = self._captured.get(values.shape)
            if captured is None:
                results = self._session.run(None, {name: values}, self._run_options(_SKIP))
                found = dict(zip(self._outputs, results, strict=True))
                if len(self._captured) < MOST_GRAPHS:
                    shapes = {output: result.shape for output, result in found.items()}
                    self._captured[values.shape] = self._bind(name, values.shape, shapes)
                return [found[wanted] for wanted in names]
            captured.input.update_inplace(np.ascontiguousarray(values))
            self._session.run_with_iobinding(captured.binding, captured.options)
            return [captured.outputs[wanted].numpy() for wanted in names]

    def _bind(
        self, name: str, shape: tuple[int, ...], shapes: dict[str, tuple[int, ...]]
    ) -> _Captured:
        binding = self._session.io_binding()
        value = self._on_device(shape)
        binding.bind_ortvalue_input(name, value)
        outputs = {output: self._on_device(size) for output, size in shapes.items()}
        for output, place in outputs.items():
            binding.bind_ortvalue_output(output, place)
        options = self._run_options(str(len(self._captured) + 1))
        return _Captured(binding, options, value, outputs)

    def _run_options(self, graph_id: str) -> Any:
        options = self._ort.RunOptions()
        options.add_run_config_entry("gpu_graph_id", graph_id)
        return options

    def _on_device(self, shape: tuple[int, ...]) -> Any:
        return self._ort.OrtValue.ortvalue_from_shape_and_type(
            list(shape), np.float32, self._device, 0
        )
