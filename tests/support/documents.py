"""Results as ser-bench writes them, for tests."""

from __future__ import annotations

from typing import Any

from ser_rt.benchmarks.measure.variant import Variant

STAMP: dict[str, Any] = {
    "machine": {
        "name": "a-processor",
        "cpu": "A Processor",
        "cores": 2,
        "memory_gb": 8,
        "gpus": [],
        "system": "Linux",
        "energy": "not available",
    },
    "versions": {"python": "3.11.7"},
    "commit": "abc",
    "measured_at": "2026-01-02T03:04:05+00:00",
}


def document(command: str, rows: list[dict[str, Any]], **content: Any) -> dict[str, Any]:
    """Return a result."""
    settings = {"rounds": 2, "steps": 2}
    head = {"schema": "ser-bench 1", "command": command, "settings": settings}
    return head | STAMP | {"others_busy_cores": 0.0, "rows": rows} | content


def row(label: str, cost_ms: float, **content: Any) -> dict[str, Any]:
    """Return a row whose steps are all alike."""
    runner = "ser-rt streams" if "streams" in label else "ser-rt"
    spread = dict.fromkeys(("mean", "p50", "p95", "p99", "min", "max"), cost_ms)
    return {
        "variant": Variant(runner, model="mine", label=label).to_dict(),
        "status": "ok",
        "problem": "",
        "cost_ms": spread,
        "latency_ms": spread,
        "samples_ms": [cost_ms] * 4,
        "max_batch": 0,
        "lost_share": 0.0,
    } | content
