"""The precisions: what makes a graph of each, and how far it may be from the network."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import onnx

from ser_rt.classifier import FloatArray
from ser_rt.errors import ExportError

from .half import to_half
from .quantization import to_int8, to_int8_dynamic

Convert = Callable[[Path, Sequence[FloatArray]], onnx.ModelProto]
"""From a float32 graph on disk, and windows ``[batch, samples]`` of speech."""


class Limits(NamedTuple):
    """How far a graph may be from its network, which PyTorch runs in float32."""

    logit: float
    """Largest difference of a logit."""
    probability: float
    """Largest difference of a probability."""
    embedding: float
    """Root mean square of the embedding's error, of that of what tells windows apart in it.

    It judges a network whose answers are all alike, too.
    """
    agreement: float
    """Least share of the decided windows with the same label."""
    uar: float
    """Largest loss of unweighted average recall where labels are known; or one clip."""
    batch: float
    """Largest difference of a probability between a window alone and in a batch."""
    pair: float
    """Largest difference of a probability between the whole graph and the two parts of it."""


class Precision(NamedTuple):
    """Forms to try, best first; the first that passes its gates is taken."""

    forms: Mapping[str, Convert]
    limits: Limits


def fp32(source: Path, _: Sequence[FloatArray]) -> onnx.ModelProto:
    """Leave the graph as it is."""
    return onnx.load(source)


def fp16(source: Path, speech: Sequence[FloatArray]) -> onnx.ModelProto:
    """Halve weights and activations, but for what overflows or adds up."""
    return to_half(source, speech)


def int8_static(source: Path, speech: Sequence[FloatArray]) -> onnx.ModelProto:
    """Quantize MatMul and Conv with ranges that were read from speech."""
    return to_int8(onnx.load(source), speech)


def int8_dynamic(source: Path, _: Sequence[FloatArray]) -> onnx.ModelProto:
    """Quantize MatMul alone, with ranges read anew from each window."""
    return to_int8_dynamic(onnx.load(source))


PRECISIONS: dict[str, Precision] = {
    "fp32": Precision(
        {"as traced": fp32},
        Limits(
            logit=1e-3,
            probability=1e-4,
            embedding=1e-3,
            agreement=1.0,
            uar=0.0,
            batch=1e-4,
            pair=1e-5,
        ),
    ),
    "fp16": Precision(
        {"mixed": fp16},
        Limits(
            logit=0.1,
            probability=0.02,
            embedding=0.05,
            agreement=0.99,
            uar=0.005,
            batch=0.02,
            pair=0.02,
        ),
    ),
    "int8": Precision(
        {"static": int8_static, "dynamic": int8_dynamic},
        Limits(
            logit=1.5,
            probability=0.25,
            embedding=0.35,
            agreement=0.95,
            uar=0.02,
            batch=0.05,
            pair=0.05,
        ),
    ),
}
"""All precisions by name."""


def precision_of(name: str) -> Precision:
    """Look a precision up.

    Raises:
        ExportError: there is none of this name.
    """
    if name not in PRECISIONS:
        msg = f"no precision {name!r}; there are {', '.join(PRECISIONS)}"
        raise ExportError(msg)
    return PRECISIONS[name]
