"""CUDA graphs: the launches of a call are recorded once for each shape, and replayed as one.

A graph reads and writes memory at fixed places, so inputs and outputs are bound there.
https://onnxruntime.ai/docs/execution-providers/CUDA-ExecutionProvider.html#using-cuda-graphs-preview
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np

from ser_rt.classifier import FloatArray

BATCHES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256)
"""Sizes that batches are filled up to: each new shape costs a search for kernels and a graph."""

MOST_GRAPHS = 32
"""A graph keeps its memory until the session ends; shapes beyond these run without one."""

CAPTURABLE = frozenset(
    (
        *("Add", "Sub", "Mul", "Div", "Pow", "Sqrt", "Exp", "Log", "Abs", "Neg", "Sign", "Erf"),
        *("Max", "Min", "Sum", "Clip", "Where", "Equal", "Greater", "GreaterOrEqual", "Less"),
        *("LessOrEqual", "Not", "And", "Or", "Relu", "Sigmoid", "Tanh", "Softmax", "LogSoftmax"),
        *("Gelu", "FastGelu", "QuickGelu", "BiasGelu", "BiasSoftmax", "LayerNormalization"),
        *("SkipLayerNormalization", "SimplifiedLayerNormalization", "BatchNormalization"),
        *("Conv", "FusedConv", "MatMul", "FusedMatMul", "TransposeMatMul", "Gemm", "FusedGemm"),
        *("ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "GlobalAveragePool"),
        *("Shape", "Reshape", "Squeeze", "Unsqueeze", "Flatten", "Transpose", "Slice", "Expand"),
        *("Cast", "Identity", "Range", "Gather"),
    )
)
"""Ops whose CUDA kernels get all they need by value.

Others copy tables from the processor's memory while they are launched. A graph would copy them
again at each replay, from memory that is something else's by then: a Concat of unequal parts did
so in the built-in models, and read where nothing was.
"""

_MOST_SEEN = 256
_SKIP = "-1"

Shape = tuple[int, ...]


def uncapturable(session: Any, provider: str) -> set[str]:
    """Return ops that a session runs on a provider and that no graph may hold."""
    parts = session.get_provider_graph_assignment_info()
    ran = {node.op_type for part in parts if part.ep_name == provider for node in part.get_nodes()}
    return ran - CAPTURABLE


class _Captured(NamedTuple):
    binding: Any
    options: Any
    after: Any
    input: Any
    outputs: dict[str, Any]


class CudaGraphs:
    """Runs a session with ``enable_cuda_graph``. Thread-safe: one call at a time.

    The first call of a shape is an ordinary one: at the end of a recording shapes come that never
    come again. The second records, the third replays. onnxruntime keeps graphs for each thread, so
    all calls are made in one.
    """

    def __init__(self, ort: Any, session: Any, device: str = "cuda") -> None:
        """Take onnxruntime and a session of it that runs on ``device``."""
        self._ort, self._session, self._device = ort, session, device
        self._outputs = [x.name for x in session.get_outputs()]
        self._seen: dict[Shape, dict[str, Shape]] = {}
        self._captured: dict[Shape, _Captured] = {}
        self._thread = ThreadPoolExecutor(1, "ser-rt-cuda")

    def run(self, names: list[str], name: str, values: FloatArray) -> list[FloatArray]:
        """Return outputs by ``names``, given the input ``name``."""
        return self._thread.submit(self._run, names, name, values).result()

    def _run(self, names: list[str], name: str, values: FloatArray) -> list[FloatArray]:
        count = len(values)
        values = _filled_up(values)
        captured = self._captured.get(values.shape)
        if captured is None and values.shape in self._seen:
            captured = self._bind(name, values.shape)
        if captured is None:
            return [found[:count] for found in self._run_plainly(names, name, values)]
        captured.input.update_inplace(np.ascontiguousarray(values))
        captured.after.numpy()  # a copy may return before it has arrived; this one comes after it
        self._session.run_with_iobinding(captured.binding, captured.options)
        return [captured.outputs[wanted].numpy()[:count] for wanted in names]

    def _run_plainly(self, names: list[str], name: str, values: FloatArray) -> list[FloatArray]:
        results = self._session.run(None, {name: values}, self._run_options(_SKIP))
        found = dict(zip(self._outputs, results, strict=True))
        if len(self._captured) < MOST_GRAPHS:
            while len(self._seen) >= _MOST_SEEN:
                self._seen.pop(next(iter(self._seen)))
            self._seen[values.shape] = {output: result.shape for output, result in found.items()}
        return [found[wanted] for wanted in names]

    def _bind(self, name: str, shape: Shape) -> _Captured | None:
        shapes = self._seen.pop(shape)
        if len(self._captured) == MOST_GRAPHS:
            return None
        binding = self._session.io_binding()
        value = self._on_device(shape)
        binding.bind_ortvalue_input(name, value)
        outputs = {output: self._on_device(size) for output, size in shapes.items()}
        for output, place in outputs.items():
            binding.bind_ortvalue_output(output, place)
        options = self._run_options(str(len(self._captured) + 1))
        self._captured[shape] = _Captured(binding, options, self._on_device((1,)), value, outputs)
        return self._captured[shape]

    def _run_options(self, graph_id: str) -> Any:
        options = self._ort.RunOptions()
        options.add_run_config_entry("gpu_graph_id", graph_id)
        return options

    def _on_device(self, shape: Shape) -> Any:
        return self._ort.OrtValue.ortvalue_from_shape_and_type(
            list(shape), np.float32, self._device, 0
        )


def _filled_up(values: FloatArray) -> FloatArray:
    """Add rows of zeros up to a size of `BATCHES`: no row of a result depends on another."""
    count = len(values)
    missing = next((size for size in BATCHES if size >= count), count) - count
    if not missing:
        return values
    return np.concatenate((values, np.zeros((missing, *values.shape[1:]), np.float32)))
