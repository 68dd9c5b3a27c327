"""Names of a graph's weights: those of the network, so that training can go on from a bundle."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx_ir
from torch import nn

from ser_rt.networks.graph_weights import MORE_WEIGHTS, PREFIX, TRANSPOSED

MOST_IN_METADATA = 64
"""Values of a weight that is not in the graph, such as the shares of layers."""

_Array = npt.NDArray[Any]


def name_weights(model: onnx_ir.Model, network: nn.Module) -> None:
    """Name weights that the exporter made anew after those in the network that they equal.

    Args:
        model: a traced graph.
        network: what was traced, folded.
    """
    graph = model.graph
    weights = {
        name: tensor.detach().numpy()
        for name, tensor in network.state_dict().items()
        if name.startswith(PREFIX) and name not in graph.initializers
    }
    for value in list(graph.initializers.values()):
        if str(value.name).startswith(PREFIX) or value.const_value is None:
            continue
        array = value.const_value.numpy()
        if name := next(_equal(array, weights), None):
            value.name = name
            del weights[name.removesuffix(TRANSPOSED)]
    named = {
        str(value.name): value.const_value.numpy()
        for value in graph.initializers.values()
        if str(value.name).startswith(PREFIX) and value.const_value is not None
    }
    more: dict[str, Any] = {}
    for name, array in weights.items():
        # The exporter keeps one of several tensors that are equal, such as biases of zeros.
        if array.size > MOST_IN_METADATA:
            if (same := next(_equal(array, named), None)) in named:
                more[name.removeprefix(PREFIX)] = str(same).removeprefix(PREFIX)
        elif array.size and array.dtype == np.float32:
            more[name.removeprefix(PREFIX)] = array.tolist()
    model.metadata_props[MORE_WEIGHTS] = json.dumps(more)


def _equal(array: _Array, weights: dict[str, _Array]) -> Iterator[str]:
    for name, weight in weights.items():
        if array.ndim != weight.ndim or array.dtype != weight.dtype or array.ndim < 1:
            continue
        if array.shape == weight.shape and np.array_equal(array, weight):
            yield name
        elif array.shape == weight.T.shape and np.array_equal(array, weight.T):
            yield name + TRANSPOSED
