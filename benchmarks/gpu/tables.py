"""Tables of a session on a GPU; `python -m benchmarks.gpu.tables` puts the newest into docs."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from ser_rt.benchmarks.measure.machine import line
from ser_rt.benchmarks.report import results
from ser_rt.benchmarks.report.model_card import ROOT, write
from ser_rt.tables import Table, markdown_table

Row = dict[str, Any]


def tables(document: dict[str, Any]) -> list[Table]:
    """Return a table of each step that found something."""
    steps = {name: step for name, step in document["steps"].items() if step.get("ok")}
    found = [make(steps[name]) for name, make in TABLES.items() if name in steps]
    failed = _failures(document["steps"])
    return [*found, failed] if failed.rows else found


def _latency(step: Row) -> Table:
    rows = [
        (
            row["label"],
            f"{row['hop_ms']['p50']:.2f}",
            f"{row['hop_ms']['p95']:.2f}",
            f"{step['ratios'][row['label']]:.2f}" if _is_of_network(row["label"]) else "",
            _difference(row),
        )
        for row in step["rows"]
        if "hop_ms" in row
    ]
    head = ("batch 1", "p50 ms", "p95 ms", "times torch.compile's speed", "max |Δp|")
    note = (
        "A hop of a stream (ser-rt) or a window (PyTorch) of 3 s, in turns in one process. Parts: "
        "windows share features. Speed against torch.compile with CUDA graphs in fp16, differences "
        "against PyTorch in fp32 with TF32."
    )
    return Table("What a hop costs", head, rows, note)


def _is_of_network(label: str) -> bool:
    """Whether a way computes the 317M network, windowed or as a stream."""
    return not label.startswith(("ser-rt compact", "ser-rt base"))


def _difference(row: Row) -> str:
    """Format a difference; JSON has null where it is not a number."""
    if "max_difference" not in row:
        return ""
    return "no number" if row["max_difference"] is None else f"{row['max_difference']:.0e}"


def _batches(step: Row) -> Table:
    sizes = list(dict.fromkeys(row["batch"] for row in step["rows"]))
    ways = list(dict.fromkeys((row["model"], row["form"]) for row in step["rows"]))
    rate = {
        (row["model"], row["form"], row["batch"]): f"{row['windows_per_s']:,.0f}"
        for row in step["rows"]
        if "windows_per_s" in row
    }
    rows = [
        (f"{model}, {form}", *(rate.get((model, form, size), "-") for size in sizes))
        for model, form in ways
    ]
    note = (
        "Windows of 3 s a second, by windows in a call; copies to the GPU and back count. Hops: a "
        "result for the next half second of each stream, with its caches."
    )
    return Table("Windows a second", ("windows in a call", *map(str, sizes)), rows, note)


def _streams(step: Row) -> Table:
    rows = [
        (
            f"{row['model']}, {row['form']}",
            str(row["streams"]),
            f"{row.get('max_batch', step['max_batch'])}",
            f"{row.get('workers', 2)}",
            f"{row['latency_ms']['p50']:.0f}" if "latency_ms" in row else "-",
            f"{row['latency_ms']['p95']:.0f}" if "latency_ms" in row else "-",
            f"{row['lost_share']:.0%}" if "lost_share" in row else "-",
            "yes" if row["keeps_up"] else "no",
        )
        for row in step["rows"]
        if "latency_ms" in row
    ]
    head = ("", "streams", "batches up to", "threads", "p50 ms", "p95 ms", "lost", "keeps up")
    note = (
        f"Live streams with a hop of 0.5 s in one Python process, a thread a stream: keeps up is a "
        f"p95 of {step['p95_ms']:.0f} ms at most and {step['lost']:.0%} of the windows lost."
    )
    return Table("Live streams at once", head, rows, note)


def _precision(step: Row) -> Table:
    rows = [
        (
            f"{row['precision']}, {row['form']}",
            f"{row['max_logit_difference']:.1e}",
            f"{row['max_probability_difference']:.1e}",
            f"{row['embedding_error']:.1e}",
            f"{row['max_batch_difference']:.1e}",
            f"{row['label_agreement']:.0%}",
        )
        for row in step["rows"]
    ]
    head = ("", "max |Δlogit|", "max |Δp|", "embedding", "in a batch", "same label")
    note = "Against the fp32 bundle on the processor; the embedding by its norm."
    return Table("Answers on the GPU", head, rows, note)


def _training(step: Row) -> Table:
    rows = [
        (
            row["precision"],
            f"{row['window_s']:g} s",
            str(row["batch"]),
            "yes" if row["checkpointing"] else "no",
            f"{row['windows_per_s']:.0f}",
            f"{row.get('peak_gb', 0):.1f} GB",
        )
        for row in step["rows"]
        if "windows_per_s" in row
    ]
    head = ("", "window", "batch", "checkpointing", "windows a second", "peak")
    note = "Steps with AdamW, convolutions frozen; peak of what PyTorch allocated."
    return Table("Training", head, rows, note)


def _failures(steps: dict[str, Row]) -> Table:
    rows = [(name, step["problem"]) for name, step in steps.items() if step.get("problem")]
    for name, step in steps.items():
        problems = {
            f"{name}, {report['bundle']}": row["problem"]
            for report in (step.get("cold") or step.get("reports") or [])
            for row in report["rows"]
            if not row["ok"]
        }
        rows += problems.items()
    return Table("Did not come up", ("", "reason"), rows)


TABLES: dict[str, Callable[[Row], Table]] = {
    "latency": _latency,
    "batches": _batches,
    "streams": _streams,
    "precision": _precision,
    "training": _training,
}
"""By step."""

PLACES = {
    "gpu": ("benchmarks.md", ("latency", "batches", "streams", "precision")),
    "gpu-training": ("training.md", ("training",)),
}
"""Regions of the docs: file, and the steps whose tables stand there."""


def regions() -> dict[str, str]:
    """Return the text of each region of the docs, from the newest result."""
    newest = max((ROOT / "benchmarks" / "results").glob("*-gpu-session-*.json"))
    (document,) = results.read([newest])
    found = {}
    for region, (_, names) in PLACES.items():
        laid = [markdown_table(TABLES[name](document["steps"][name])) for name in names]
        found[region] = "\n\n".join([*laid, f"{line(document)}."]) + "\n"
    return found


def main() -> int:
    """Rewrite the regions of the docs."""
    for region, text in regions().items():
        write(ROOT / "docs" / PLACES[region][0], region, text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
