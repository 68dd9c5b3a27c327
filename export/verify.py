"""The gates: an exported graph must say what its network says, or no bundle is written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import onnxruntime
import torch

from ser_rt.errors import GateError

from .graph import OUTPUTS, Served

if TYPE_CHECKING:
    from ser_rt.classifier import FloatArray


class Gate(NamedTuple):
    """How far a graph may be from its network in float32."""

    logits: float
    probabilities: float
    agreement: float


GATES = {"fp32": Gate(logits=1e-3, probabilities=1e-4, agreement=1.0)}
"""Limits by precision."""

_LENGTHS_S = (0.5, 1.0, 1.777, 3.0, 6.1)
_BATCHES = (1, 3)


def verify(
    network: Served, onnx_model: bytes, audio: FloatArray, sample_rate: int, precision: str
) -> dict[str, float]:
    """Compare graph and network on pieces of real speech of several lengths and batch sizes.

    Returns what was measured, for the manifest.

    Raises:
        GateError: a limit of `GATES` is passed; the message says which, and by how much.
    """
    session = onnxruntime.InferenceSession(onnx_model, providers=["CPUExecutionProvider"])
    logit_difference, probability_difference, batch_difference = 0.0, 0.0, 0.0
    agreements: list[bool] = []
    for batch in _batches(audio, sample_rate):
        with torch.inference_mode():
            expected = [output.numpy() for output in network(torch.from_numpy(batch))]
        logits, probabilities, _ = session.run(OUTPUTS, {"input_values": batch})
        alone = [session.run(["probabilities"], {"input_values": row[None]})[0][0] for row in batch]
        if not all(np.isfinite(array).all() for array in (logits, probabilities)):
            msg = f"{precision}: the graph's output for {batch.shape} is not finite"
            raise GateError(msg)
        logit_difference = max(logit_difference, _distance(logits, expected[0]))
        probability_difference = max(probability_difference, _distance(probabilities, expected[1]))
        batch_difference = max(batch_difference, _distance(probabilities, np.stack(alone)))
        agreements += list(logits.argmax(1) == expected[0].argmax(1))
    measured = {
        "windows": float(len(agreements)),
        "max_logit_difference": logit_difference,
        "max_probability_difference": probability_difference,
        "max_batch_difference": batch_difference,
        "label_agreement": float(np.mean(agreements)),
    }
    limits = GATES[precision]
    _check(precision, "max_logit_difference", measured, limits.logits)
    _check(precision, "max_probability_difference", measured, limits.probabilities)
    _check(precision, "max_batch_difference", measured, limits.probabilities)
    if measured["label_agreement"] < limits.agreement:
        msg = f"{precision}: labels agree on {measured['label_agreement']:.4f} of the windows only"
        raise GateError(msg)
    return measured


def _batches(audio: FloatArray, sample_rate: int) -> Sequence[FloatArray]:
    rng = np.random.default_rng(0)
    batches = []
    for length_s in _LENGTHS_S:
        for size in _BATCHES:
            samples = round(length_s * sample_rate)
            starts = rng.integers(0, len(audio) - samples, size)
            batches.append(np.stack([audio[start : start + samples] for start in starts]))
    return batches


def _distance(first: FloatArray, second: FloatArray) -> float:
    return float(np.abs(first - second).max())


def _check(precision: str, name: str, measured: dict[str, float], limit: float) -> None:
    if measured[name] > limit:
        msg = f"{precision}: {name} is {measured[name]:.2e}, more than {limit:.0e}"
        raise GateError(msg)
