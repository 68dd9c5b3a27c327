"""A tiny bundle whose graph is there as a whole and in two parts: frames, and the network on them.

The encoder weighs a frame by its neighbours, so a missing or repeated frame changes its outputs.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ser_rt.bundle import write_bundle
from ser_rt.manifest import FeatureReuse
from ser_rt.testing.bundles import LABELS, MANIFEST, serialised

RECEPTIVE_FIELD, STRIDE, CHANNELS = 400, 320, 8
TWO_PARTS = FeatureReuse(
    Path("frontend.onnx"), Path("encoder.onnx"), RECEPTIVE_FIELD, STRIDE, CHANNELS
)

_WAVES = "float[batch, samples] input_values"
_FEATURES = f"float[batch, frames, {CHANNELS}] features"
_FRONTEND = f"""
    channel = Unsqueeze(input_values, one)
    filtered = Conv <strides = [{STRIDE}]> (channel, kernels)
    bounded = Tanh(filtered)
    features = Transpose <perm = [0, 2, 1]> (bounded)
"""
_ENCODER = """
    by_channel = Transpose <perm = [0, 2, 1]> (features)
    mixed = Conv <pads = [1, 1]> (by_channel, mixing)
    positive = Softplus(mixed)
    mean = GlobalAveragePool(positive)
    peak = GlobalMaxPool(positive)
    stacked = Concat <axis = 1> (mean, peak)
    embedding = Flatten(stacked)
    logits = MatMul(embedding, weights)
    probabilities = Softmax <axis = -1> (logits)
"""


def build_two_part_bundle(folder: Path, **changes: Any) -> Path:
    """Write the bundle into ``folder``; ``changes`` replace fields of its manifest."""
    return write_two_parts(folder, *two_part_models(), **changes)


def write_two_parts(
    folder: Path, frontend: bytes, encoder: bytes, whole: bytes, **changes: Any
) -> Path:
    """Write a bundle of three graphs; ``changes`` replace fields of its manifest."""
    files = {"model.onnx": whole, "frontend.onnx": frontend, "encoder.onnx": encoder}
    changes = {"feature_reuse": TWO_PARTS} | changes
    return write_bundle(folder, files, replace(MANIFEST, **changes))


def two_part_models(labels: int = len(LABELS)) -> tuple[bytes, bytes, bytes]:
    """Return frontend (strided convolution), encoder (mean and peak of frames) and both as one."""
    rng = np.random.default_rng(11)

    def normal(*shape: int) -> np.ndarray[Any, Any]:
        return rng.standard_normal(shape).astype(np.float32)

    kernels = {
        "one": np.array([1], np.int64),
        "kernels": normal(CHANNELS, 1, RECEPTIVE_FIELD) * 0.3,
    }
    weights = {
        "mixing": normal(CHANNELS, CHANNELS, 3) * 0.5,
        "weights": normal(2 * CHANNELS, labels),
    }
    outputs = (
        f"float[batch, {labels}] logits, float[batch, {labels}] probabilities, "
        f"float[batch, {2 * CHANNELS}] embedding"
    )
    return (
        serialised(f"g ({_WAVES}) => ({_FEATURES}) {{ {_FRONTEND} }}", kernels),
        serialised(f"g ({_FEATURES}) => ({outputs}) {{ {_ENCODER} }}", weights),
        serialised(f"g ({_WAVES}) => ({outputs}) {{ {_FRONTEND} {_ENCODER} }}", kernels | weights),
    )
