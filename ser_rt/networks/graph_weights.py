"""`read_weights`: the weights of an exported graph, by their names in the network.

The exporter names every weight of a graph after the one in the network that it is, with ``.T`` if
it is transposed; what is too small for a tensor of its own is in the graph's metadata. Conversion
to half precision and to int8 adds endings.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from ser_rt.errors import CheckpointError, requires
from ser_rt.files.names import printable

if TYPE_CHECKING:
    from ser_rt.classifier import FloatArray

PREFIX = "model."
"""Of the names of weights in a graph."""
TRANSPOSED = ".T"
MORE_WEIGHTS = "ser_rt.weights"
"""Key of the metadata with weights that tracing leaves out, as JSON by name: their values, or the
name of another one that they equal."""
_QUANTIZED, _HALF, _GAIN = "_quantized", "_float16", ".gain"


def read_weights(path: Path) -> dict[str, Tensor]:
    """Return the weights of a graph in float32, by their names in the network.

    Raises:
        CheckpointError: it cannot be read, or is quantised in another way.
        MissingDependencyError: onnx is not installed.
    """
    with requires("onnx", "export"):
        import onnx
        from onnx import numpy_helper
    try:
        model = onnx.load(path)
        tensors = {each.name: numpy_helper.to_array(each) for each in model.graph.initializer}
        notes = {each.key: each.value for each in model.metadata_props}
        more = list(json.loads(notes.get(MORE_WEIGHTS, "{}")).items())
        found = {name: np.array(given) for name, given in more if isinstance(given, list)}
    except Exception as error:  # protobuf's, onnx's and json's own have nothing else in common
        msg = f"cannot read the weights in {printable(path)}: {str(error).splitlines()[0]}"
        raise CheckpointError(msg) from error
    for name in tensors:
        if name.startswith(PREFIX) and not name.endswith(("_scale", "_zero_point")):
            stem = name.removesuffix(_QUANTIZED).removesuffix(_HALF)
            values = _values(tensors, name, -1 if stem.endswith(TRANSPOSED) else 0)
            if stem.endswith(TRANSPOSED):
                stem, values = stem.removesuffix(TRANSPOSED), values.T
            found[stem.removeprefix(PREFIX)] = values
    found |= {name: found[same] for name, same in more if not isinstance(same, list)}
    for name in [name for name in found if name.endswith(_GAIN)]:
        weight = f"{name.removesuffix(_GAIN)}.weight"
        if weight in found:
            found[weight] = found[weight] * found[name]
        del found[name]
    return {name: torch.tensor(values, dtype=torch.float32) for name, values in found.items()}


def _values(tensors: dict[str, Any], name: str, axis: int) -> FloatArray:
    """Return a tensor, which may be quantised along an axis, in float32."""
    values = tensors[name].astype(np.float32)
    if not name.endswith(_QUANTIZED):
        return values  # type: ignore[no-any-return]  # of an untyped dict
    # Of a bias, the scale is called as the quantised one is.
    stem = name if f"{name}_scale" in tensors else name.removesuffix(_QUANTIZED)
    try:
        scale = tensors[f"{stem}_scale"].astype(np.float32)
        zero = tensors[f"{stem}_zero_point"].astype(np.float32)
        shape = [1] * values.ndim
        shape[axis] = -1
        spread = [part.reshape(shape if part.size > 1 else ()) for part in (scale, zero)]
        found: FloatArray = (values - spread[1]) * spread[0]
    except (KeyError, ValueError, IndexError) as error:
        msg = f"{name} is quantised as ser-export does not: {error}"
        raise CheckpointError(msg) from error
    return found
