"""Measures variants in one interleaved run, and makes a result of it."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ser_rt.audio.processing import read_speech
from ser_rt.benchmarks.measure.scheduler import Measurement, Plan, interleave
from ser_rt.benchmarks.measure.variant import RATE_HZ, Variant, labelled
from ser_rt.benchmarks.peers.flops import of_run
from ser_rt.benchmarks.peers.graph_operations import name_of, operations_of
from ser_rt.benchmarks.peers.roofline import (
    GEMMS,
    HOP,
    floor,
    gemm_variants,
    put_distances,
    work_of,
)
from ser_rt.benchmarks.report import results
from ser_rt.benchmarks.report.summary import group_of, ratio, rows
from ser_rt.bundle import sample_path
from ser_rt.errors import ConfigError

OURS = ("ser-rt",)


def measure(
    flags: argparse.Namespace,
    variants: Sequence[Variant],
    report: Callable[[str], None],
    *,
    run: Path | None = None,
    gemms: Sequence[Variant] = (),
) -> dict[str, Any]:
    """Measure variants, and the machine's rates with them; return the result."""
    variants = labelled(variants, [variant.label for variant in variants])
    references = [flags.compare_to] if flags.compare_to else ["transformers pipeline"]
    if flags.compare_to and not any(flags.compare_to in (v.label, v.runner) for v in variants):
        rowed = ", ".join(v.label for v in variants)
        msg = f"--compare-to {flags.compare_to!r} is no row; there are {rowed}"
        raise ConfigError(msg)
    has_own_floor = getattr(flags, "floor", False)
    if has_own_floor:
        gemms = gemm_variants(flags.threads, "onnxruntime")
        work = {name_of(one): operations_of(one) for one in variants}
    else:
        operations = of_run(run, round(flags.window[0] * RATE_HZ)) if run else None
        work = work_of(operations, flags.hop[0] / flags.window[0])
        if gemms:
            work |= {name_of(one): operations_of(one) for one in variants if one.streaming}
    with audio_file(flags.audio) as audio:
        found, others = interleave([*variants, *gemms], audio, plan_of(flags), report)
    measured = [one for one in found if one.variant.runner not in GEMMS]
    table = rows(measured, references)
    content: dict[str, Any] = {"others_busy_cores": round(others, 3), "rows": table}
    if gemms:
        rates = [one for one in found if one.variant.runner in GEMMS]
        content["floor"] = floor(rates, work)
        put_distances(
            table,
            content["floor"],
            lambda one: name_of(one) if has_own_floor or one.streaming else HOP,
        )
    if flags.command in ("peers", "gpu"):
        content["best_peer"] = best_peer(measured)
    return results.document(flags, **content)


def best_peer(measured: Sequence[Measurement]) -> dict[str, Any]:
    """Return, for each of ours, the fastest peer of its group and how much faster ours is."""
    done = [one for one in measured if one.rounds and not one.problem]
    found = {}
    for ours in (one for one in done if one.variant.runner in OURS):
        rivals = [
            one
            for one in done
            if one.variant.runner not in OURS and group_of(one.variant) == group_of(ours.variant)
        ]
        if rivals:
            best = max(rivals, key=lambda rival: ratio(rival, ours)["median"])
            found[ours.variant.label] = {"peer": best.variant.label, **ratio(ours, best)}
    return found


def plan_of(flags: argparse.Namespace) -> Plan:
    """Return how to measure."""
    return Plan(
        rounds=flags.rounds,
        steps=flags.steps,
        warmup=flags.warmup,
        cold_starts=flags.cold_starts,
        cores=flags.cores,
        timeout_s=flags.timeout,
        seed=flags.seed,
    )


@contextmanager
def audio_file(path: Path | None) -> Iterator[Path]:
    """Decode audio once, for all workers."""
    samples = read_speech(path or sample_path(), RATE_HZ)
    with tempfile.TemporaryDirectory(prefix="ser-bench-") as folder:
        np.save(Path(folder, "audio.npy"), samples)
        yield Path(folder, "audio.npy")
