"""The gates: a bundle is written only if its graph agrees with its network on real speech."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from onnx import TensorProto
from onnxruntime import InferenceSession

from ser_rt.classifier import FloatArray
from ser_rt.evaluation.metrics import unweighted_average_recall
from ser_rt.export.files import Batch, float_tensors, open_session, read_structure
from ser_rt.export.graph import DIMENSIONS, OUTPUTS, Served
from ser_rt.export.half import overflowing
from ser_rt.export.precision import Tolerances
from ser_rt.export.ranges import SQUARE_OVERFLOWS, largest_magnitudes
from ser_rt.export.speech import Probe, ReferenceSpeech, extremes

_LEAST_SPREAD = 0.1
"""Least spread to divide an embedding's error by, relative to the embedding's size."""

_NAMED = 3
_ROUNDING = 1e-9


class ModelOutputs(NamedTuple):
    """Outputs for a probe, each ``[batch, ...]``."""

    logits: FloatArray
    probabilities: FloatArray
    embedding: FloatArray
    dimensions: FloatArray
    """Of a network that rates none, ``[batch, 0]``."""


def outputs_of(values: Sequence[FloatArray]) -> ModelOutputs:
    """Return the outputs of a call, which may lack dimensions."""
    none = np.zeros((len(values[0]), 0), np.float32)
    return ModelOutputs(*values, *([none] if len(values) < len(ModelOutputs._fields) else []))


@dataclass
class GateResult:
    """Measured differences between a graph and its network, and those past their limits."""

    measured: dict[str, Any] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    fatal: bool = False
    """Whether an output is not finite: such a graph is never written."""

    def summary(self) -> str:
        """Return in one line how close the graph is, or what failed."""
        if self.failures:
            return "FAILED: " + "; ".join(self.failures)
        gap, same = self.measured["max_logit_difference"], self.measured["label_agreement"]
        return f"logits within {gap:.1e}, {same:.1%} of the labels the same"

    def to_dict(self, limits: Tolerances) -> dict[str, Any]:
        """Return the entry of a bundle's manifest."""
        passed = {"passed": not self.failures, "failures": self.failures}
        return passed | self.measured | {"limits": limits._asdict()}

    def include(self, name: str, other: GateResult) -> None:
        """Add the result of another graph of the bundle, under its name."""
        self.measured[name] = other.measured
        self.failures += [f"{name}: {failure}" for failure in other.failures]
        self.fatal |= other.fatal

    def limit(self, name: str, most: float, where: str = "") -> None:
        """Add a failure if a measure is past its limit."""
        if not self.measured[name] <= most:
            at = f" ({where})" if where else ""
            self.failures.append(f"{name} is {self.measured[name]:.2e}, more than {most:.0e}{at}")


def reference(network: Served, speech: ReferenceSpeech) -> list[ModelOutputs]:
    """Return the network's outputs for every probe."""
    with torch.inference_mode():
        return [
            outputs_of([out.numpy() for out in network(torch.from_numpy(probe.waveforms))])
            for probe in speech.probes
        ]


def verify(
    graph: Path,
    speech: ReferenceSpeech,
    expected: Sequence[ModelOutputs],
    limits: Tolerances,
    labels: Sequence[str],
    sample_rate: int,
) -> GateResult:
    """Compare a graph with its network on speech of several lengths and batch sizes.

    Args:
        graph: the graph on disk.
        speech: the probes.
        expected: the network's outputs for them, from `reference`.
        limits: a measure past its limit is a failure.
        labels: names of the columns.
        sample_rate: in Hz.
    """
    result = GateResult()
    session = open_session(graph)
    found = [_run(session, probe.waveforms) for probe in speech.probes]
    _check_finite(result, session, speech, found, sample_rate)
    if result.fatal:
        return result
    measured, probes = result.measured, speech.probes
    measured["speech"], measured["clips"] = speech.source, speech.clips
    measured["windows"] = sum(len(outputs.logits) for outputs in expected)
    compare(result, [probe.name for probe in probes], expected, found, limits, labels)
    _compare_batches(result, session, probes, found, limits)
    _compare_uar(result, speech, expected, found, limits, len(labels))
    return result


def compare(
    result: GateResult,
    names: Sequence[str],
    expected: Sequence[ModelOutputs],
    found: Sequence[ModelOutputs],
    limits: Tolerances,
    labels: Sequence[str],
) -> None:
    """Measure how far a graph's outputs are from its network's, and add that to a result.

    Args:
        result: to add to.
        names: of the probes.
        expected: the network's outputs for each.
        found: the graph's.
        limits: a measure past its limit is a failure.
        labels: names of the columns.
    """
    for key, name, most in (
        ("logits", "max_logit_difference", limits.logit),
        ("probabilities", "max_probability_difference", limits.probability),
    ):
        gaps = [
            np.abs(getattr(a, key) - getattr(b, key)) for a, b in zip(expected, found, strict=True)
        ]
        worst = int(np.argmax([gap.max() for gap in gaps]))
        result.measured[name] = float(gaps[worst].max())
        column = int(gaps[worst].max(axis=0).argmax())
        result.limit(name, most, f"{labels[column]} in {names[worst]}")
    names_of_errors = ["embedding", *(["dimensions"] if expected[0].dimensions.size else [])]
    for name in names_of_errors:
        result.measured[f"{name}_error"] = _relative_error(
            *([getattr(outputs, name) for outputs in some] for some in (expected, found))
        )
        result.limit(f"{name}_error", limits.embedding)
    _compare_labels(result, names, expected, found, limits, labels)


def verify_ranges(result: GateResult, source: Path, graph: Path, batches: Sequence[Batch]) -> None:
    """Measure the values that are stored in half precision, and add them to a result.

    A CPU computes half precision in float32 and so hides overflow: magnitudes are read from the
    float32 graph, whose values have the same names. A LayerNormalization squares its input; it
    stays in float32, so that large ones are noted and fail nothing.
    """
    structure, half = read_structure(source), read_structure(graph)
    norms = [n.input[0] for n in structure.graph.node if n.op_type == "LayerNormalization"]
    narrow = float_tensors(half, TensorProto.FLOAT16) & float_tensors(structure)
    magnitudes = largest_magnitudes(source, narrow | set(norms), batches)
    loud = {name: magnitudes[name] for name in norms if magnitudes[name] > SQUARE_OVERFLOWS}
    result.measured["layer_norm_inputs"] = {
        "count": len(norms),
        "largest": max((magnitudes[name] for name in norms), default=0.0),
        "square_overflows": loud,
    }
    over = overflowing(magnitudes, narrow)
    result.measured["half_precision_overflows"] = over
    for name, most in list(over.items())[:_NAMED]:
        result.failures.append(f"{name} reaches {most:.3g}, more than half precision holds")


def _run(session: InferenceSession, waveforms: FloatArray) -> ModelOutputs:
    there = {output.name for output in session.get_outputs()}
    names = [name for name in (*OUTPUTS, DIMENSIONS) if name in there]
    return outputs_of(session.run(names, {"input_values": waveforms}))


def _check_finite(
    result: GateResult,
    session: InferenceSession,
    speech: ReferenceSpeech,
    found: Sequence[ModelOutputs],
    sample_rate: int,
) -> None:
    checked = list(zip(speech.probes, found, strict=True))
    checked += [(probe, _run(session, probe.waveforms)) for probe in extremes(sample_rate)]
    for probe, outputs in checked:
        for name, values in zip(ModelOutputs._fields, outputs, strict=True):
            if not np.isfinite(values).all():
                result.failures.append(f"{name} is not finite for {probe.name}")
                result.fatal = True


def _relative_error(expected: Sequence[FloatArray], found: Sequence[FloatArray]) -> float:
    """Return the root mean square error, relative to the spread over windows."""
    right = np.concatenate(expected)
    error = np.concatenate(found) - right
    spread = np.square(right - right.mean(axis=0)).mean()
    least = np.square(right).mean() * _LEAST_SPREAD**2
    return float(np.sqrt(np.square(error).mean() / max(spread, least, 1e-20)))


def _compare_labels(
    result: GateResult,
    names: Sequence[str],
    expected: Sequence[ModelOutputs],
    found: Sequence[ModelOutputs],
    limits: Tolerances,
    labels: Sequence[str],
) -> None:
    same, decided, changes = [], [], []
    for name, right, got in zip(names, expected, found, strict=True):
        first, second = np.sort(right.probabilities, axis=1)[:, :-3:-1].T
        for row, lead in enumerate(first - second):
            was, became = right.logits[row].argmax(), got.logits[row].argmax()
            same.append(was == became)
            decided.append(lead > limits.lead)
            if was != became and lead > limits.lead:
                changes.append(f"{labels[was]} became {labels[became]} in {name}")
    clear_cases = [equal for equal, clear in zip(same, decided, strict=True) if clear]
    result.measured["label_agreement"] = float(np.mean(same))
    result.measured["decided_windows"] = len(clear_cases)
    result.measured["decided_agreement"] = float(np.mean(clear_cases)) if clear_cases else None
    # The sample's twenty windows cannot measure one change in a hundred.
    allowed = max(1.0, (1 - limits.agreement) * len(clear_cases)) if limits.agreement < 1 else 0.0
    if len(changes) > allowed:
        share = f"labels agree on {np.mean(clear_cases):.1%} of the decided windows"
        result.failures.append(f"{share}, less than {limits.agreement:.0%}: {_some(changes)}")


def _compare_batches(
    result: GateResult,
    session: InferenceSession,
    probes: Sequence[Probe],
    found: Sequence[ModelOutputs],
    limits: Tolerances,
) -> None:
    worst, where = 0.0, ""
    for probe, outputs in zip(probes, found, strict=True):
        if len(probe.waveforms) == 1:
            continue
        alone = [_run(session, row[None]).probabilities[0] for row in probe.waveforms]
        gap = float(np.abs(np.stack(alone) - outputs.probabilities).max())
        if gap >= worst:
            worst, where = gap, probe.name
    result.measured["max_batch_difference"] = worst
    result.limit("max_batch_difference", limits.batch, where)


def uar_of(speech: ReferenceSpeech, outputs: Sequence[ModelOutputs], classes: int) -> float | None:
    """Return the unweighted average recall on the labelled probes; None if there are none."""
    known = [i for i, probe in enumerate(speech.probes) if probe.label is not None]
    if not known:
        return None
    true = np.array([speech.probes[i].label for i in known])
    predicted = np.array([outputs[i].logits[0].argmax() for i in known])
    return unweighted_average_recall(true, predicted, classes)


def _compare_uar(
    result: GateResult,
    speech: ReferenceSpeech,
    expected: Sequence[ModelOutputs],
    found: Sequence[ModelOutputs],
    limits: Tolerances,
    classes: int,
) -> None:
    network, graph = (uar_of(speech, outputs, classes) for outputs in (expected, found))
    if network is None or graph is None:
        return
    result.measured |= {"uar_network": network, "uar_graph": graph, "uar_loss": network - graph}
    labels = [probe.label for probe in speech.probes if probe.label is not None]
    _, counts = np.unique(labels, return_counts=True)
    one_clip = 1.0 / (len(counts) * counts.min())
    result.limit("uar_loss", (max(limits.uar, one_clip) if limits.uar else 0.0) + _ROUNDING)


def _some(items: Sequence[str]) -> str:
    more = len(items) - _NAMED
    return "; ".join(items[:_NAMED]) + (f"; and {more} more" if more > 0 else "")
