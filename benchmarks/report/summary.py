"""From timed steps to the row of a result."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ser_rt.benchmarks.measure.scheduler import Measurement
from ser_rt.benchmarks.measure.variant import Variant


def spread(values: Sequence[float]) -> dict[str, float]:
    """Return mean, percentiles and extremes; p99 of under 100 values is close to the maximum."""
    p50, p95, p99 = np.percentile(values, (50, 95, 99)).tolist()
    found = {"mean": float(np.mean(values)), "p50": p50, "p95": p95, "p99": p99}
    found |= {"min": float(min(values)), "max": float(max(values))}
    return {name: round(value, 4) for name, value in found.items()}


def rows(measured: Sequence[Measurement], references: Sequence[str]) -> list[dict[str, Any]]:
    """Return a row for each variant, those that failed too.

    Args:
        measured: From `scheduler.interleave`.
        references: Labels or runners to compare with, the first that ran in each group of variants
            that share processor or GPU, threads, window and hop; without any, the group's first.
    """
    found = []
    for one in measured:
        row = _row(one)
        if row["status"] == "ok":
            reference = _reference(one, measured, references)
            to = {"to": reference.variant.label}
            row |= {"ratio": to | ratio(one, reference), "agreement": _agreement(one, reference)}
            row["cpu_ratio"] = to | ratio(one, reference, "cpu_s")
        found.append(row)
    return found


def ratio(one: Measurement, other: Measurement, key: str = "cost_s") -> dict[str, float]:
    """Return how many times faster ``one`` is than ``other``: the median over the rounds.

    Of processor time with ``key="cpu_s"``: that other processes hardly change.

    Both are taken in each round, so that what slows the machine down for a while cancels out.
    """
    pairs = [
        _median(theirs, key) / max(_median(ours, key), 1e-9)
        for ours, theirs in zip(one.rounds, other.rounds, strict=False)
    ]
    low, middle, high = np.percentile(pairs, (10, 50, 90)).tolist()
    return {"median": round(middle, 4), "p10": round(low, 4), "p90": round(high, 4)}


def group_of(variant: Variant) -> tuple[Any, ...]:
    """Return what two variants must share to be compared."""
    times = (variant.window_s, variant.hop_s)
    return (variant.is_on_cpu, variant.threads, *times, variant.batch)


def _row(one: Measurement) -> dict[str, Any]:
    row: dict[str, Any] = {"variant": one.variant.to_dict()}
    steps = [step for taken in one.rounds for step in taken]
    if one.problem or not steps:
        return row | {"status": "failed", "problem": one.problem or "it was not measured"}
    costs_ms = [1e3 * step["cost_s"] for step in steps]
    energy = [step["energy_j"] for step in steps]
    wall_s = sum(step["wall_s"] for step in steps)
    cpu_ms = spread([1e3 * step["cpu_s"] for step in steps])
    return row | {
        "status": "ok",
        "problem": "",
        "steps": len(steps),
        "cost_ms": spread(costs_ms),
        "latency_ms": spread([1e3 * step["latency_s"] for step in steps]),
        "cpu_ms": cpu_ms,
        "streams_per_core": round(1e3 * one.variant.hop_s / max(cpu_ms["mean"], 1e-6), 1),
        "samples_ms": [round(value, 4) for value in costs_ms],
        "work_per_s": round(float(np.median([s["work"] / s["cost_s"] for s in steps])), 4),
        "real_time_factor": round(float(np.median(costs_ms)) / 1e3 / one.variant.hop_s, 5),
        "cpu_share": round(sum(step["cpu_s"] for step in steps) / max(wall_s, 1e-9), 3),
        "peak_memory_mb": round(one.peak_bytes / 1e6, 1),
        "cold_start_s": round(float(np.median(one.cold_starts_s)), 3),
        "energy_j": None if None in energy else round(float(np.mean(energy)), 4),
    }


def _reference(
    one: Measurement, measured: Sequence[Measurement], names: Sequence[str]
) -> Measurement:
    group = [m for m in measured if m.rounds and not m.problem]
    group = [m for m in group if group_of(m.variant) == group_of(one.variant)]
    for name in names:
        for other in group:
            if name in (other.variant.label, other.variant.runner):
                return other
    return group[0]


def _agreement(one: Measurement, reference: Measurement) -> dict[str, Any] | None:
    ours, theirs = (
        [step["probabilities"] for taken in m.rounds for step in taken] for m in (one, reference)
    )
    pairs = [(a, b) for a, b in zip(ours, theirs, strict=False) if a and b and len(a) == len(b)]
    if not pairs:
        return None
    a, b = (np.array(side) for side in zip(*pairs, strict=True))
    return {"with": reference.variant.label, **differences(a, b)}


def differences(a: np.ndarray[Any, Any], b: np.ndarray[Any, Any]) -> dict[str, Any]:
    """Compare probabilities ``[windows, labels]`` of the same windows."""
    gaps = np.abs(a - b)
    return {
        "windows": len(a),
        "labels": round(float((a.argmax(axis=1) == b.argmax(axis=1)).mean()), 5),
        "max_difference": round(float(gaps.max()), 6),
        "mean_difference": round(float(gaps.mean()), 6),
    }


def _median(steps: Sequence[dict[str, Any]], key: str) -> float:
    return float(np.median([step[key] for step in steps]))
