"""`ser-bench streams`: many live streams over one model, and how many keep to a latency."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Self

import numpy as np

from ser_rt.benchmarks.measure.capacity import search
from ser_rt.benchmarks.measure.machine import usable_cores
from ser_rt.benchmarks.measure.measuring import audio_file
from ser_rt.benchmarks.measure.scheduler import Plan, VariantProcess, Watchdog, WorkerFailedError
from ser_rt.benchmarks.measure.variant import Variant, labelled
from ser_rt.benchmarks.report import results
from ser_rt.benchmarks.report.summary import spread

CONFIRM = 3
"""So many times longer is the run that confirms."""


def simulate(
    flags: argparse.Namespace, variants: Sequence[Variant], report: Callable[[str], None]
) -> dict[str, Any]:
    """Simulate each number of streams in random order, or search for the most."""
    variants = labelled(variants, [variant.label for variant in variants])
    rng = np.random.default_rng(flags.seed)
    found: list[dict[str, Any]] = []
    watch = Watchdog()
    with audio_file(flags.audio) as audio:
        for variant in variants:
            try:
                with Simulator(flags, variant, audio, report) as simulator:
                    found += (
                        _searched(simulator) if flags.find_max_streams else _listed(simulator, rng)
                    )
                    watch.ours_s += simulator.cpu_s
            except WorkerFailedError as error:
                report(f"left out {variant.label}: {error}")
                row = {"variant": variant.to_dict(), "status": "failed", "problem": str(error)}
                found.append(row)
    return results.document(flags, others_busy_cores=round(watch.others(), 3), rows=found)


class Simulator:
    """One variant's worker, which runs any number of streams."""

    def __init__(
        self,
        flags: argparse.Namespace,
        variant: Variant,
        audio: Path,
        report: Callable[[str], None],
    ) -> None:
        self.flags, self.variant, self._report = flags, variant, report
        self.cpu_s = 0.0
        self._workers = flags.workers or flags.cores or usable_cores()
        plan = Plan(cores=flags.cores, timeout_s=flags.timeout, order=self._order(1, 0.5, 0))
        self._worker = VariantProcess(variant, audio, plan)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._worker.close()

    def row(self, streams: int, max_batch: int, length: float = 1.0) -> dict[str, Any]:
        """Simulate; return a row."""
        seconds = length * self.flags.seconds
        response = self._worker.turn(1, self._order(streams, seconds, max_batch))
        step = response["steps"][0]
        self.cpu_s += step["cpu_s"]
        latencies = step["extra"]["latencies_ms"]
        lost = step["extra"]["lost_windows"]
        row = {
            "variant": replace(self.variant, batch=max(1, max_batch)).to_dict(),
            "status": "ok" if latencies else "failed",
            "problem": "" if latencies else "no window had its result in time",
            "streams": streams,
            "max_batch": max_batch,
            "workers": self._workers,
            "seconds": seconds,
            "windows": len(latencies),
            "lost_windows": lost,
            "lost_share": round(lost / max(1, lost + len(latencies)), 5),
            "cpu_share": round(step["cpu_s"] / step["wall_s"], 3),
            "peak_memory_mb": round(response["peak_bytes"] / 1e6, 1),
        }
        if latencies:
            row["latency_ms"] = spread(latencies)
        self._say(row)
        return row

    def keeps_up(self, row: dict[str, Any]) -> bool:
        """Return whether users would accept it."""
        is_quick = row["status"] == "ok" and row["latency_ms"]["p95"] <= self.flags.p95
        return is_quick and bool(row["lost_share"] <= self.flags.lost)

    def _order(self, streams: int, seconds: float, max_batch: int) -> dict[str, Any]:
        order = {"streams": streams, "seconds": seconds, "max_batch": max_batch}
        return order | {"workers": self._workers}

    def _say(self, row: dict[str, Any]) -> None:
        quick = f"p95 {row['latency_ms']['p95']:.1f} ms" if "latency_ms" in row else "no result"
        lost, batch = row["lost_windows"], row["max_batch"]
        self._report(
            f"{self.variant.label}{f', batches up to {batch}' if batch else ''}: "
            f"{row['streams']} streams, {quick}, {lost} windows lost"
        )


def _listed(simulator: Simulator, rng: np.random.Generator) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    orders = [(n, batch) for n in simulator.flags.streams for batch in simulator.flags.max_batch]
    for _ in range(simulator.flags.rounds):
        found += [simulator.row(*orders[i]) for i in rng.permutation(len(orders)).tolist()]
    return sorted(found, key=lambda row: (row["max_batch"], row["streams"]))


def _searched(simulator: Simulator) -> list[dict[str, Any]]:
    return [row for batch in simulator.flags.max_batch for row in _most(simulator, batch)]


def _most(simulator: Simulator, max_batch: int) -> list[dict[str, Any]]:
    tried: dict[tuple[int, float], dict[str, Any]] = {}

    def passes(streams: int, length: float = 1.0) -> bool:
        row = tried[streams, length] = simulator.row(streams, max_batch, length)
        return simulator.keeps_up(row)

    capacity = search(passes, partial(passes, length=CONFIRM), simulator.flags.limit)
    found = {"streams": capacity.streams, "failed_at": capacity.failed_at}
    found |= {"p95_ms": simulator.flags.p95, "lost_share": simulator.flags.lost}
    return [tried[key] | {"found_max": found} for key in sorted(tried)]
