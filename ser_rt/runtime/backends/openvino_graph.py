"""Rewrites an int8 graph: the same arithmetic, in operators that OpenVINO runs faster.

Both were found in its profile of a network of 317 M parameters on a core with AVX-512 VNNI. Its
kernel of an int8 1x1 convolution is 8 to 17 % faster than that of a product of the same size, and
keys that are turned while they are multiplied need no copy that is turned before. Shapes must be
known: where they are not, the turns around a convolution are copies.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

_SWAP = np.array([0, 2, 1])
_HEADS_THEN_FRAMES = np.array([0, 2, 1, 3])
_HEADS_THEN_CHANNELS = [0, 2, 3, 1]


class _Weights(NamedTuple):
    values: npt.NDArray[np.int8]
    """``[inner, columns]``."""
    scale: npt.NDArray[np.float32]
    """Of each column."""


def rearrange(model: Any) -> None:
    """Change a graph of fixed shapes in place: its answers stay, its speed does not."""
    for node in model.get_ordered_ops():
        if node.get_type_name() != "MatMul":
            continue
        weights = _weights(node.input_value(1).get_node())
        if weights is None:
            _turn_keys_at_the_product(node)
        elif len(node.input_value(0).get_partial_shape()) == len(_SWAP):
            _make_convolution(node, weights)


def _make_convolution(product: Any, weights: _Weights) -> None:
    """Replace ``[batch, frames, inner]`` times weights, and the sum with a bias behind it."""
    from openvino import opset13 as op

    kernels = np.ascontiguousarray(weights.values.T)[:, :, np.newaxis]
    scaled = op.multiply(
        op.convert(op.constant(kernels, shared_memory=True), "f32"),
        op.constant(weights.scale.reshape(-1, 1, 1)),
    )
    turned = op.transpose(product.input_value(0), op.constant(_SWAP))
    result, last = op.convolution(turned, scaled, [1], [0], [0], [1]), product
    users = [target.get_node() for target in product.output(0).get_target_inputs()]
    bias = _bias(users[0], product) if len(users) == 1 else None
    if bias is not None:  # left behind the turn, it would be a pass of its own
        result, last = op.add(result, op.constant(bias.reshape(1, -1, 1))), users[0]
    last.output(0).replace(op.transpose(result, op.constant(_SWAP)).output(0))


def _turn_keys_at_the_product(product: Any) -> None:
    """Let scores read keys as ``[batch, heads, frames, channels]``."""
    turn = product.input_value(1).get_node()
    if turn.get_type_name() != "Transpose":
        return
    order = _constant(turn.input_value(1).get_node())
    if order is None or order.tolist() != _HEADS_THEN_CHANNELS:
        return
    from openvino import opset13 as op

    keys = op.transpose(turn.input_value(0), op.constant(_HEADS_THEN_FRAMES))
    scores = op.matmul(product.input_value(0), keys, transpose_a=False, transpose_b=True)
    product.output(0).replace(scores.output(0))


def _weights(node: Any) -> _Weights | None:
    """Read (int8 values - 0) * scale, as the ONNX reader writes a DequantizeLinear."""
    if node.get_type_name() != "Multiply":
        return None
    shifted, scale = node.input_value(0).get_node(), _constant(node.input_value(1).get_node())
    if shifted.get_type_name() == "Subtract":
        zero = _constant(shifted.input_value(1).get_node())
        if zero is None or zero.any():
            return None
        shifted = shifted.input_value(0).get_node()
    values = _constant(shifted)
    if values is None or scale is None or values.dtype != np.int8 or values.ndim != len("kn"):
        return None
    if scale.size != values.shape[1]:
        return None
    return _Weights(values, scale.astype(np.float32, copy=False).reshape(-1))


def _bias(node: Any, product: Any) -> npt.NDArray[np.float32] | None:
    """Return what an addition adds to each column of a product."""
    if node.get_type_name() != "Add":
        return None
    columns = product.get_output_partial_shape(0)[2]
    for value in node.input_values():
        bias = _constant(value.get_node())
        if bias is not None and columns.is_static and bias.shape == (columns.get_length(),):
            return bias.astype(np.float32, copy=False)
    return None


def _constant(node: Any) -> npt.NDArray[Any] | None:
    """Return the numbers of a constant, behind changes of its type or shape."""
    while node.get_type_name() in {"Convert", "Reshape"}:
        node = node.input_value(0).get_node()
    found: npt.NDArray[Any] | None = None
    if node.get_type_name() == "Constant":
        found = node.get_data()
    return found
