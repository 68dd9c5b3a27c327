"""The largest magnitudes of the values inside a graph on speech."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from onnx import TensorProto, helper

from ser_rt.export.files import Batch, feed, open_session, read_structure, save_structure

HALF_MAX = 65504.0
"""Largest finite half-precision number."""

SQUARE_OVERFLOWS = HALF_MAX**0.5
"""Magnitude whose square is past `HALF_MAX`: a LayerNormalization in half precision fails on it."""


def largest_magnitudes(
    source: Path, tensors: Collection[str], batches: Sequence[Batch]
) -> dict[str, float]:
    """Return the largest magnitude of each float32 tensor of a graph over batches of its inputs.

    Args:
        source: a graph; one that also gives the magnitudes is written beside it.
        tensors: names of values that the graph computes.
        batches: what to run it on.
    """
    model = read_structure(source)
    probes = {}
    for number, name in enumerate(sorted(tensors)):
        size, most = f"magnitude_{number}", f"largest_{number}"
        model.graph.node.append(helper.make_node("Abs", [name], [size]))
        model.graph.node.append(helper.make_node("ReduceMax", [size], [most], keepdims=0))
        model.graph.output.append(helper.make_tensor_value_info(most, TensorProto.FLOAT, []))
        probes[most] = name
    if not probes:
        return {}
    session = open_session(save_structure(model, source.with_name("magnitudes.onnx")))
    found = dict.fromkeys(tensors, 0.0)
    for batch in batches:
        values = session.run(list(probes), feed(model.graph, batch))
        for name, value in zip(probes.values(), values, strict=True):
            found[name] = max(found[name], float(value))
    return found
