"""The arithmetic floor: what a hop would cost if every product ran at the machine's best rate."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ser_rt.benchmarks.measure.scheduler import Measurement
from ser_rt.benchmarks.measure.variant import Variant
from ser_rt.benchmarks.peers.flops import Operations

HOP = "hop with reuse"
"""What a stream of a network without caches does for a result."""

GEMMS = {
    "GEMM fp32 onnxruntime": "fp32",
    "GEMM fp32 PyTorch": "fp32",
    "GEMM bf16 PyTorch": "bf16",
    "GEMM int8 onnxruntime": "int8",
    "GEMM int8 PyTorch": "int8",
}


def gemm_variants(threads: Iterable[int], library: str = "") -> list[Variant]:
    """Return the variants that measure the machine's rates, in the same run as the others.

    Those of all libraries, or of one.
    """
    return [
        Variant(name, precision=precision, threads=count, label=f"{name}, {count} threads")
        for count in threads
        for name, precision in GEMMS.items()
        if name.endswith(library)
    ]


def work_of(operations: Operations | None, hop_share: float) -> dict[str, float]:
    """Return the operations of a training run's network by name; none without a formula."""
    if operations is None:
        return {}
    return {"window": operations.window, HOP: operations.hop(hop_share)}


def floor(gemms: Sequence[Measurement], work: Mapping[str, float]) -> dict[str, Any]:
    """Return rates by threads and precision, and the milliseconds that they make of operations.

    A rate is the median over the run of the best of some shapes, and the best of the libraries.
    """
    rates: dict[str, dict[str, float]] = {}
    for gemm in gemms:
        steps = [step for taken in gemm.rounds for step in taken]
        if gemm.problem or not steps:
            continue
        rate = float(np.median([step["extra"]["operations_per_s"] for step in steps]))
        of_threads = rates.setdefault(str(gemm.variant.threads), {})
        precision = gemm.variant.precision
        of_threads[precision] = max(of_threads.get(precision, 0.0), round(rate / 1e9, 1))
    found: dict[str, Any] = {
        "giga_operations_per_s": rates,
        "failed": {g.variant.label: g.problem for g in gemms if g.problem},
    }
    if not work:
        return found | {"problem": "there is no formula for this architecture's operations"}
    return found | {
        "giga_operations": {name: round(count / 1e9, 3) for name, count in work.items()},
        "ms": {
            threads: {
                f"{precision} {name}": round(1e3 * count / (1e9 * rate), 2)
                for precision, rate in by_precision.items()
                for name, count in work.items()
            }
            for threads, by_precision in rates.items()
        },
    }


def put_distances(
    rows: Iterable[dict[str, Any]], floors: dict[str, Any], name_of: Callable[[Variant], str]
) -> None:
    """Add to each row its cost as a multiple of the int8 floor of what `name_of` says it does."""
    for row in rows:
        variant = Variant(**row["variant"])
        of_threads = floors.get("ms", {}).get(str(variant.threads), {})
        least = of_threads.get(f"int8 {name_of(variant)}")
        if row["status"] == "ok" and least and variant.is_on_cpu:
            row["floor_distance"] = round(row["cost_ms"]["p50"] / least, 3)
