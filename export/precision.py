"""The precisions: conversions of the graph, and the largest difference allowed for each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import onnx

from ser_rt.errors import ConfigError
from ser_rt.export.files import Batch
from ser_rt.export.half import to_half
from ser_rt.export.quantization import to_int8, to_int8_dynamic

Convert = Callable[[Path, Sequence[Batch]], onnx.ModelProto]
"""From a float32 graph on disk, and speech as its inputs."""


class Tolerances(NamedTuple):
    """Largest differences between a graph and its network, which PyTorch runs in float32."""

    logit: float
    """Largest difference of a logit."""
    probability: float
    """Largest difference of a probability."""
    embedding: float
    """RMS error of the embedding, relative to its spread over windows.

    It catches errors of a network whose probabilities hardly vary, too.
    """
    lead: float
    """Least lead of the network's label, in probability, on a window that is decided."""
    agreement: float
    """Least share of the decided windows with the same label; one in a small number may change."""
    uar: float
    """Largest loss of unweighted average recall where labels are known; or one clip."""
    batch: float
    """Largest difference of a probability between a window alone and in a batch."""
    pair: float
    """Largest difference of a probability between the whole graph and the two parts of it."""


class Precision(NamedTuple):
    """Forms to try, best first; the first that passes its gates is kept."""

    forms: Mapping[str, Convert]
    limits: Tolerances


def fp32(source: Path, _: Sequence[Batch]) -> onnx.ModelProto:
    """Leave the graph as it is."""
    return onnx.load(source)


def fp16(source: Path, speech: Sequence[Batch]) -> onnx.ModelProto:
    """Halve weights and activations, but for what overflows or adds up."""
    return to_half(source, speech)


def int8_static(source: Path, speech: Sequence[Batch]) -> onnx.ModelProto:
    """Quantize MatMul and Conv with ranges that were read from speech."""
    return to_int8(onnx.load(source), speech)


def int8_mixed(source: Path, speech: Sequence[Batch], *, share: float) -> onnx.ModelProto:
    """Quantize as `int8_static`, but for this share of the products: the most sensitive ones."""
    return to_int8(onnx.load(source), speech, float_share=share)


def int8_dynamic(source: Path, _: Sequence[Batch]) -> onnx.ModelProto:
    """Quantize MatMul alone, with ranges read anew from each window."""
    return to_int8_dynamic(onnx.load(source))


FLOAT_SHARES = (0.05, 0.2)
"""Shares of the products to try in float32; with more, the dynamic form is as fast."""

PRECISIONS: dict[str, Precision] = {
    "fp32": Precision(
        {"as traced": fp32},
        Tolerances(
            logit=1e-3,
            probability=1e-4,
            embedding=1e-3,
            lead=0.02,
            agreement=1.0,
            uar=0.0,
            batch=1e-4,
            pair=1e-5,
        ),
    ),
    "fp16": Precision(
        {"mixed": fp16},
        Tolerances(
            logit=0.03,
            probability=0.005,
            embedding=0.02,
            lead=0.02,
            agreement=0.995,
            uar=0.002,
            batch=0.005,
            pair=0.005,
        ),
    ),
    "int8": Precision(
        {
            "static": int8_static,
            **{
                f"static, {share:.0%} in float": partial(int8_mixed, share=share)
                for share in FLOAT_SHARES
            },
            "dynamic": int8_dynamic,
        },
        Tolerances(
            logit=1.0,
            probability=0.12,
            embedding=0.2,
            lead=0.05,
            agreement=0.99,
            uar=0.01,
            batch=0.05,
            pair=0.05,
        ),
    ),
}
"""All precisions by name; the measurements behind the limits are in docs/decisions.md."""


def precision_of(name: str) -> Precision:
    """Look a precision up.

    Raises:
        ConfigError: there is none of this name.
    """
    if name not in PRECISIONS:
        msg = f"no precision {name!r}; there are {', '.join(PRECISIONS)}"
        raise ConfigError(msg)
    return PRECISIONS[name]
