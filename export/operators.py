"""Check that LayerNormalization and GELU are single ops: in parts they overflow or are slow.

The network's are counted while it runs in PyTorch, the graph's by its nodes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import onnx
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from ser_rt.errors import ExportError
from ser_rt.export.opsets import SINCE

KERNELS = {"aten::native_layer_norm": "LayerNormalization", "aten::gelu": "Gelu"}
"""Kernels of PyTorch, and the op of ONNX that each must become."""


class _Counter(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.found: Counter[str] = Counter()

    def __torch_dispatch__(
        self,
        func: torch._ops.OpOverload[..., object],
        types: object,
        args: tuple[object, ...] = (),
        kwargs: Mapping[str, object] | None = None,
    ) -> object:
        self.found[func.name()] += 1
        return func(*args, **(kwargs or {}))


def computed(network: nn.Module, *example: Any) -> Counter[str]:
    """Count the ops of `KERNELS` that a network runs."""
    with torch.no_grad(), _Counter() as counter:
        network(*example)
    return Counter({op: counter.found[kernel] for kernel, op in KERNELS.items()})


def assert_kept(model: onnx.ModelProto, network: nn.Module, example: tuple[Any, ...]) -> None:
    """Compare the ops of a graph with those of its network on an example of its arguments.

    Raises:
        ExportError: an op of `KERNELS` was taken apart or lost.
    """
    ops = Counter(node.op_type for node in model.graph.node)
    opset = max(entry.version for entry in model.opset_import if not entry.domain)
    for op, expected in computed(network, *example).items():
        if ops[op] != expected:
            remedy = f"opset {SINCE[op]} or more" if opset < SINCE[op] else "another torch"
            msg = (
                f"the graph has {ops[op]} {op} where the network runs {expected}: in parts it is "
                f"slow, and overflows in half precision; export with {remedy}"
            )
            raise ExportError(msg)
