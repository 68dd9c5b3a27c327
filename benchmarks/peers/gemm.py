"""Matrix products as fast as the machine does them: what the arithmetic floor is made of."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from ser_rt.benchmarks.measure.steps import Step
from ser_rt.benchmarks.measure.variant import Variant
from ser_rt.classifier import FloatArray
from ser_rt.runtime.backends.ort import onnxruntime

SHAPES = ((1024, 1024, 1024), (512, 1024, 4096), (149, 1024, 4096))
"""Rows, inner size and columns: big ones, and a layer of the 317M network over 3 s."""

ENOUGH_S = 0.03
"""Time to spend on each shape in a step."""


class Gemm:
    """Multiplies; the work of a step is operations per second of the best shape, times its cost."""

    def __init__(self, products: dict[tuple[int, int, int], Callable[[], object]]) -> None:
        self._products = products

    def step(self) -> Step:
        """Multiply each shape for a while; an operation is a multiplication or an addition."""
        best, started = 0.0, time.perf_counter()
        for (rows, inner, columns), multiply in self._products.items():
            until = time.perf_counter() + ENOUGH_S
            while (began := time.perf_counter()) < until:
                multiply()
                best = max(best, 2 * rows * inner * columns / (time.perf_counter() - began))
        took_s = time.perf_counter() - started
        return Step(took_s, took_s, work=best * took_s, extra={"operations_per_s": best})


def onnx_gemm(variant: Variant, _audio: FloatArray) -> Gemm:
    """Return the runner of onnxruntime's MatMul, or MatMulInteger of uint8 by int8."""
    return Gemm({shape: _onnx(shape, variant.precision, variant.threads) for shape in SHAPES})


def torch_gemm(variant: Variant, _audio: FloatArray) -> Gemm:
    """Return the runner of PyTorch's product."""
    return Gemm({shape: _torch(shape, variant.precision, variant.threads) for shape in SHAPES})


def _onnx(shape: tuple[int, int, int], precision: str, threads: int) -> Callable[[], object]:
    from onnx import TensorProto, helper, numpy_helper

    rows, inner, columns = shape
    rng = np.random.default_rng(0)
    a: np.ndarray[Any, Any] = rng.standard_normal((rows, inner)).astype(np.float32)
    b: np.ndarray[Any, Any] = rng.standard_normal((inner, columns)).astype(np.float32)
    operator, given, result = "MatMul", TensorProto.FLOAT, TensorProto.FLOAT
    if precision == "int8":
        operator, given, result = "MatMulInteger", TensorProto.UINT8, TensorProto.INT32
        a = rng.integers(0, 255, (rows, inner)).astype(np.uint8)
        b = rng.integers(-127, 127, (inner, columns)).astype(np.int8)
    graph = helper.make_graph(
        [helper.make_node(operator, ["a", "b"], ["c"])],
        "gemm",
        [helper.make_tensor_value_info("a", given, [rows, inner])],
        [helper.make_tensor_value_info("c", result, [rows, columns])],
        [numpy_helper.from_array(b, "b")],
    )
    opset = helper.make_opsetid("", 20)
    model = helper.make_model(graph, opset_imports=[opset], ir_version=9).SerializeToString()
    ort = onnxruntime()
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return lambda: session.run(None, {"a": a})


def _torch(shape: tuple[int, int, int], precision: str, threads: int) -> Callable[[], object]:
    import torch

    torch.set_num_threads(threads)
    rows, inner, columns = shape
    if precision == "int8":
        whole = torch.randint(-127, 127, (rows, inner), dtype=torch.int8)
        other = torch.randint(-127, 127, (columns, inner), dtype=torch.int8).T
        return lambda: torch._int_mm(whole, other)  # noqa: SLF001 (PyTorch has no public one)
    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16}[precision]
    a, b = torch.randn(rows, inner, dtype=dtype), torch.randn(inner, columns, dtype=dtype)
    return lambda: a @ b
