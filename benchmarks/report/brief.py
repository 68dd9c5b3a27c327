"""The README's speed table: ser-rt and the best other library at each precision."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ser_rt.errors import DataError
from ser_rt.tables import Table

Row = dict[str, Any]

PRECISIONS = ("int8", "bf16", "fp16", "fp32")
OURS = "ser-rt"


def brief(documents: Sequence[dict[str, Any]]) -> Table:
    """Return the table of the comparison with the fewest threads.

    Raises:
        DataError: None of the results is a comparison with other libraries.
    """
    found = [d for d in documents if d.get("command") == "peers"]
    if not found:
        msg = "none of these results is one of `ser-bench peers`"
        raise DataError(msg)
    document = min(found, key=lambda d: min(d["settings"]["threads"]))
    rows = sorted((r for r in document["rows"] if r["status"] == "ok"), key=_cost_ms)
    cells = [_cells(row) for precision in PRECISIONS for row in _chosen(rows, precision)]
    head = ("", "a result every 0.5 s takes", "real-time factor")
    return Table("", head, cells, _conditions(document))


def _chosen(rows: Sequence[Row], precision: str) -> list[Row]:
    """Return our rows of a precision, and the best of the others."""
    same = [row for row in rows if row["variant"]["precision"] == precision]
    ours = [row for row in same if row["variant"]["runner"] == OURS]
    return ours + [row for row in same if row not in ours][:1]


def _cells(row: Row) -> tuple[str, str, str]:
    runner, precision, device = (row["variant"][k] for k in ("runner", "precision", "device"))
    if runner == OURS:
        form = " as a stream" if row["variant"].get("streaming") else ""
        name = f"**{OURS} {precision}**{form}, `--provider {device}`"
    else:
        name = f"best other {precision}: {runner.removesuffix(f' {precision}')}"
    return name, f"{_cost_ms(row):,.0f} ms", f"{row['real_time_factor']:.2f}"


def _cost_ms(row: Row) -> float:
    found: float = row["cost_ms"]["p50"]
    return found


def _conditions(document: dict[str, Any]) -> str:
    settings = document["settings"]
    threads = min(settings["threads"])
    machine = document["machine"]
    vnni = " with VNNI" if any("vnni" in name for name in machine["instructions"]) else ""
    return (
        f"One network in windows of 3 s, {threads} thread{'s' if threads > 1 else ''}, medians of "
        f"{settings['rounds']} rounds in turns on {machine['cpu']}{vnni}, "
        f"{document['measured_at'][:10]}. Below a real-time factor of 1 it keeps up with live "
        "speech."
    )
