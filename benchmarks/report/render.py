"""Results as tables."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any

from ser_rt.benchmarks.gpu import tables as gpu_tables
from ser_rt.benchmarks.measure.machine import line
from ser_rt.benchmarks.quality import table as quality_table
from ser_rt.benchmarks.report.results import is_suite
from ser_rt.benchmarks.report.targets import noted
from ser_rt.tables import Table, text_table

Row = dict[str, Any]
Column = tuple[str, Callable[[Row], str]]

TITLES = {
    "latency": "What a result costs",
    "throughput": "Throughput",
    "peers": "The same network, side by side",
    "gpu": "The same network on a GPU, side by side",
    "agreement": "Agreement",
}


def _figures(value: float) -> str:
    """Write a number with three significant figures: 1,580 and not 1.58e+03."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _number(*path: str, form: str = "") -> Callable[[Row], str]:
    def cell(row: Row) -> str:
        *outer, last = path
        value = reduce(lambda inner, key: inner.get(key) or {}, outer, row).get(last)
        if value is None:
            return "-"
        return form.format(value) if form else _figures(value)

    return cell


def _rate(row: Row) -> str:
    is_file = row["variant"]["runner"] == "ser-rt file"
    return f"{row['work_per_s']:.3g} {'s of audio' if is_file else 'windows'}"


COST: tuple[Column, ...] = (
    ("p50 ms", _number("cost_ms", "p50")),
    ("p95", _number("cost_ms", "p95")),
    ("p99", _number("cost_ms", "p99")),
)
PROCESS: tuple[Column, ...] = (
    ("CPU ms", _number("cpu_ms", "p50")),
    ("CPU share", _number("cpu_share", form="{:.2f}")),
    ("peak MB", _number("peak_memory_mb", form="{:.0f}")),
    ("cold start s", _number("cold_start_s", form="{:.2f}")),
    ("energy J", _number("energy_j")),
)
HOP: tuple[Column, ...] = (
    *COST,
    ("real-time factor", _number("real_time_factor")),
    *PROCESS,
    ("times faster", lambda row: _with_range(row.get("ratio"))),
    ("times less CPU", lambda row: _with_range(row.get("cpu_ratio"))),
    ("streams a core", _number("streams_per_core")),
    ("same label", _number("agreement", "labels", form="{:.1%}")),
    ("max |Δp|", _number("agreement", "max_difference", form="{:.2g}")),
    ("× floor", _number("floor_distance", form="{:.2f}")),
)
COLUMNS: dict[str, tuple[Column, ...]] = {
    "latency": HOP,
    "peers": HOP,
    "gpu": HOP,
    "throughput": (("a second", _rate), *COST, *PROCESS),
    "streams": (
        ("streams", lambda row: str(row.get("streams", "-"))),
        ("batches up to", lambda row: str(row.get("max_batch") or "none")),
        ("p50 ms", _number("latency_ms", "p50")),
        ("p95", _number("latency_ms", "p95")),
        ("p99", _number("latency_ms", "p99")),
        ("windows", lambda row: str(row.get("windows", "-"))),
        ("lost", _number("lost_share", form="{:.2%}")),
        ("CPU share", _number("cpu_share", form="{:.2f}")),
        ("peak MB", _number("peak_memory_mb", form="{:.0f}")),
    ),
    "agreement": (
        ("windows", _number("agreement", "windows", form="{}")),
        ("same label", _number("agreement", "labels", form="{:.2%}")),
        ("max |Δp|", _number("agreement", "max_difference", form="{:.2g}")),
        ("p99", _number("agreement", "p99_difference", form="{:.2g}")),
        ("mean", _number("agreement", "mean_difference", form="{:.2g}")),
        ("UAR", _number("uar", form="{:.3f}")),
        ("mean of datasets", _number("uar_of_datasets", form="{:.3f}")),
    ),
}
"""Columns after the name, by command."""

ELSEWHERE = {"gpu-session": gpu_tables.tables, "quality": quality_table.tables}
"""Commands whose tables are made in their own packages."""

DETAILS = {
    "p99",
    "CPU ms",
    "CPU share",
    "times less CPU",
    "streams a core",
    "cold start s",
    "energy J",
    "max |Δp|",
    "mean",
    "windows",
}
"""Columns that a short table leaves out."""


def tables(document: dict[str, Any], *, is_short: bool = False) -> list[Table]:
    """Return the tables of a result: what was measured, what could not be, and the floor.

    Args:
        document: The result.
        is_short: Whether to give the first alone, without details.
    """
    if is_suite(document):
        return [_suite(document)]
    if document["command"] in ELSEWHERE:
        found = ELSEWHERE[document["command"]](document)
        return found[:1] if is_short else found
    command, rows = document["command"], document["rows"]
    if rows and "streams" in rows[0].get("variant", {}).get("runner", ""):
        command = "streams"
    ok = [row for row in rows if row["status"] == "ok"]
    columns = [
        (name, cell)
        for name, cell in COLUMNS[command]
        if any(cell(row) != "-" for row in ok) and not (is_short and name in DETAILS)
    ]
    done = [(row["variant"]["label"], *(cell(row) for _, cell in columns)) for row in ok]
    failed = [(row["variant"]["label"], row["problem"]) for row in rows if row["status"] != "ok"]
    head = ("", *(name for name, _ in columns))
    title = TITLES.get(command, "Live streams at once") + _threads(document["settings"])
    found = [Table(title, head, done, _note(document, command))] if done else []
    if is_short:
        return found
    if failed:
        found.append(Table("Could not be measured", ("", "reason"), failed))
    if document.get("floor", {}).get("ms"):
        found.append(_floor(document["floor"]))
    return found


def printed(document: dict[str, Any]) -> str:
    """Lay a result out for a terminal."""
    return "\n\n".join([*map(text_table, tables(document)), line(document)])


def _note(document: dict[str, Any], command: str) -> str:
    if command == "agreement":
        right = next((r["agreement"]["with"] for r in document["rows"] if r.get("agreement")), "-")
        return f"{document['clips']} clips; each row against {right}."
    notes = [f"Other processes kept {document['others_busy_cores']:.2f} cores busy meanwhile."]
    if command == "streams":
        return " ".join([*_capacities(document), *notes])
    if command == "throughput":
        return notes[0]
    settings = document["settings"]
    turns = f"{settings['rounds']} rounds of {settings['steps']} steps, in random order."
    compared = {row["ratio"]["to"] for row in document["rows"] if "ratio" in row}
    than = compared.pop() if len(compared) == 1 else "the first of the same threads, window and hop"
    notes += [turns, f"Times faster than {than}, within each round."]
    for ours, best in document.get("best_peer", {}).items():
        notes.append(
            f"{ours}: {_with_range(best)} times as fast as the best other, {best['peer']}."
        )
    energy = document["machine"]["energy"]
    return " ".join([*notes, f"Energy {energy}."])


def _threads(settings: dict[str, Any]) -> str:
    """Name the threads of a call, where they are not in the rows."""
    match settings.get("threads"):
        case 1 | [1]:
            return ", 1 thread"
        case int(threads) | [int(threads)]:
            return f", {threads} threads"
    return ""


def _capacities(document: dict[str, Any]) -> list[str]:
    found = {}
    for row in document["rows"]:
        if "found_max" in row:
            batch = f" in batches up to {row['max_batch']}" if row["max_batch"] else ""
            most = row["found_max"]
            found[row["variant"]["label"] + batch] = (
                f"{row['variant']['label']}{batch} holds {most['streams']} streams "
                f"at p95 within {most['p95_ms']:g} ms."
            )
    return list(found.values())


def _floor(floor: dict[str, Any]) -> Table:
    rows = [
        (threads, name, _figures(ms))
        for threads, found in floor["ms"].items()
        for name, ms in found.items()
    ]
    work = ", ".join(f"{name} {n:g}" for name, n in floor["giga_operations"].items())
    rates = "; ".join(
        f"{threads} threads " + ", ".join(f"{p} {r:g}" for p, r in found.items())
        for threads, found in floor["giga_operations_per_s"].items()
    )
    note = (
        f"Giga-operations: {work}; rates of big matrix products in the same run, in "
        f"giga-operations a second: {rates}. × floor above is against int8."
    )
    return Table("Arithmetic floor", ("threads", "if all ran as", "ms"), rows, note)


def _suite(document: dict[str, Any]) -> Table:
    rows = [row for entry in document["benchmarks"] if (row := noted(entry))]
    return Table("This runtime", ("what", "measured", "target"), rows)


def _with_range(ratio: dict[str, float] | None) -> str:
    """Write a median, and its 10th and 90th percentile."""
    return "{median:.2f} ({p10:.2f} to {p90:.2f})".format(**ratio) if ratio else "-"
