"""Results as plots."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ser_rt.benchmarks.report.results import is_suite
from ser_rt.evaluation.plots import new_figure, png

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Row = dict[str, Any]

OURS, OTHERS = "#1f6feb", "#9aa4b2"


def drawings(document: dict[str, Any]) -> dict[str, bytes]:
    """Return the plots of a result as PNG, by caption; only those that it has data for."""
    if is_suite(document):
        return {}
    rows = [row for row in document["rows"] if row["status"] == "ok"]
    found = {
        "Cost against window": against(rows, "window_s", "hop_s", "window in s"),
        "Cost against hop": against(rows, "hop_s", "window_s", "hop in s"),
    }
    for caption, key, draw in (
        ("Latency distributions", "samples_ms", distributions),
        ("Streams against latency", "streams", streams),
        ("Distance to the arithmetic floor", "floor_distance", distances),
    ):
        if some := [row for row in rows if row.get(key)]:
            found[caption] = draw(some)
    return {caption: image for caption, image in found.items() if image}


def distributions(rows: Sequence[Row]) -> bytes:
    """Draw each row's steps: the box from p25 to p75, whiskers to p5 and p95, dots beyond."""
    figure, axes = _axes(len(rows))
    drawn = axes.boxplot(
        [row["samples_ms"] for row in rows],
        orientation="horizontal",
        whis=(5, 95),
        sym=".",
        patch_artist=True,
        medianprops={"color": "black"},
    )
    for box, row in zip(drawn["boxes"], rows, strict=True):
        box.set_facecolor(_colour(row))
    _name(axes, rows)
    axes.set(xlabel="ms", xlim=(0, None))
    return png(figure)


def distances(rows: Sequence[Row]) -> bytes:
    """Draw how many times the floor each row costs."""
    figure, axes = _axes(len(rows))
    places = range(1, len(rows) + 1)
    times = [row["floor_distance"] for row in rows]
    bars = axes.barh(places, times, color=[_colour(row) for row in rows])
    axes.bar_label(bars, fmt="%.2f", padding=4, fontsize=8)
    axes.axvline(1.0, color="black")
    _name(axes, rows)
    axes.set(xlabel="times the int8 floor of a hop with reuse")
    return png(figure)


def against(rows: Sequence[Row], key: str, fixed: str, label: str) -> bytes | None:
    """Draw cost over a setting, one curve for what shares everything else."""
    curves: defaultdict[str, dict[float, float]] = defaultdict(dict)
    for row in rows:
        if "cost_ms" in row and row["variant"]["runner"] in ("ser-rt", "ser-rt model"):
            variant = row["variant"]
            name = variant["label"].split(",")[0]
            same = f"{name}, {variant['device']}, {variant['threads']} threads"
            curve = f"{same}, {fixed.removesuffix('_s')} {variant[fixed]:g} s"
            curves[curve][variant[key]] = row["cost_ms"]["p50"]
    if not any(len(points) > 1 for points in curves.values()):
        return None
    figure = new_figure(8, 4)
    axes = figure.subplots()
    for name, points in curves.items():
        xs = sorted(points)
        axes.plot(xs, [points[x] for x in xs], marker="o", label=name)
    axes.set(xlabel=label, ylabel="p50 in ms", ylim=(0, None))
    axes.legend(fontsize=7)
    return png(figure)


def streams(rows: Sequence[Row]) -> bytes:
    """Draw latency over the number of streams, and where windows are lost."""
    curves: defaultdict[str, list[tuple[int, float, float]]] = defaultdict(list)
    for row in rows:
        batch = f", batches up to {row['max_batch']}" if row["max_batch"] else ""
        latency = row["latency_ms"]
        curves[row["variant"]["label"] + batch].append(
            (row["streams"], latency["p95"], row["lost_share"])
        )
    figure = new_figure(8, 4)
    axes = figure.subplots()
    for name, points in curves.items():
        points.sort()
        counts, p95, lost = zip(*points, strict=True)
        (curve,) = axes.plot(counts, p95, marker="o", label=name)
        bad = [(n, ms) for n, ms, share in zip(counts, p95, lost, strict=True) if share]
        if bad:
            axes.plot(*zip(*bad, strict=True), "x", color=curve.get_color(), markersize=12)
    axes.set(xlabel="streams (×: windows were lost)", ylabel="p95 in ms", yscale="log")
    axes.legend(fontsize=7)
    return png(figure)


def accuracy_against_latency(documents: Sequence[dict[str, Any]]) -> bytes | None:
    """Draw unweighted average recall, or agreement where there is none, over the cost of a hop.

    Bundles are found in both kinds of results by name.
    """
    costs: dict[str, float] = {}
    scores: dict[str, tuple[float, str]] = {}
    for document in documents:
        for row in [] if is_suite(document) else document["rows"]:
            name = row["variant"].get("model")
            if row["status"] != "ok":
                continue
            if document["command"] == "agreement":
                is_scored = "uar" in row
                score = row["uar"] if is_scored else row["agreement"]["labels"]
                scores[name] = (score, "UAR" if is_scored else "agreement")
            elif row["variant"]["runner"] == "ser-rt" and "cost_ms" in row:
                costs[name] = min(costs.get(name, float("inf")), row["cost_ms"]["p50"])
    both = [name for name in costs if name in scores]
    if not both:
        return None
    figure = new_figure(7, 4)
    axes = figure.subplots()
    for name in both:
        axes.plot(costs[name], scores[name][0], "o")
        axes.annotate(name, (costs[name], scores[name][0]), fontsize=8)
    axes.set(xlabel="p50 of a hop in ms", ylabel=scores[both[0]][1])
    return png(figure)


def _axes(count: int) -> tuple[Any, Axes]:
    figure = new_figure(9, 1.2 + 0.35 * count)
    return figure, figure.subplots()


def _colour(row: Row) -> str:
    return OURS if row["variant"]["runner"].startswith("ser-rt") else OTHERS


def _name(axes: Axes, rows: Sequence[Row]) -> None:
    axes.set_yticks(range(1, len(rows) + 1), [row["variant"]["label"] for row in rows])
    axes.tick_params(axis="y", labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.invert_yaxis()
