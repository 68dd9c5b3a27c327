"""Plots of an evaluation; matplotlib is imported only when one is drawn."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from ser_rt.errors import requires

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.figure import Figure

    from ser_rt.evaluation.metrics import ClassScore, ReliabilityBin


def new_figure(
    width_in: float, height_in: float, layout: Literal["constrained"] | None = "constrained"
) -> Figure:
    """Make an empty figure, sizes in inches, that belongs to no window and no global state."""
    with requires("matplotlib", "report", "train"):
        from matplotlib.figure import Figure
    return Figure(figsize=(width_in, height_in), layout=layout)


def png(figure: Figure, dpi: int = 110) -> bytes:
    """Render a figure as PNG, with so many pixels an inch."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi)
    return buffer.getvalue()


def confusion_figure(matrix: npt.ArrayLike, labels: Sequence[str]) -> Figure:
    """Draw counts ``[true, predicted]``, coloured by the share of the true class."""
    counts, count = np.asarray(matrix), len(labels)
    figure = new_figure(2.5 + 0.55 * count, 2 + 0.5 * count)
    axes = figure.subplots()
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.ndindex(count, count):
        colour = "white" if shares[row, column] > 0.5 else "black"
        axes.text(column, row, str(counts[row, column]), ha="center", va="center", color=colour)
    axes.set_xticks(range(count), labels, rotation=45, ha="right")
    axes.set_yticks(range(count), labels)
    axes.set(xlabel="predicted", ylabel="true")
    return figure


def class_figure(scores: Mapping[str, ClassScore]) -> Figure:
    """Draw precision, recall and F1 of every class that occurs, as bars."""
    occurring = {label: score for label, score in scores.items() if score.support}
    figure = new_figure(2 + 0.9 * len(occurring), 4)
    axes = figure.subplots()
    places = np.arange(len(occurring))
    for shift, measure in enumerate(("precision", "recall", "f1")):
        heights = [getattr(score, measure) for score in occurring.values()]
        axes.bar(places + 0.27 * (shift - 1), heights, 0.27, label=measure)
    names = [f"{label}\n({score.support})" for label, score in occurring.items()]
    axes.set_xticks(places, names, rotation=0 if len(occurring) < 8 else 45)
    axes.set_ylim(0, 1)
    axes.legend(ncols=3, loc="upper center", bbox_to_anchor=(0.5, 1.15))
    return figure


def reliability_figure(curve: Sequence[ReliabilityBin]) -> Figure:
    """Draw accuracy over confidence, beside the diagonal on which the two agree."""
    figure = new_figure(4.5, 4.5)
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="grey", linestyle="--", label="agreement")
    axes.plot([b.confidence for b in curve], [b.accuracy for b in curve], marker="o", label="model")
    total = sum(b.count for b in curve)
    middles = [(b.low + b.high) / 2 for b in curve]
    widths = [b.high - b.low for b in curve]
    shares = [b.count / total for b in curve]
    axes.bar(middles, shares, widths, alpha=0.25, label="share of clips")
    axes.set(xlabel="confidence", ylabel="accuracy", xlim=(0, 1), ylim=(0, 1))
    axes.legend()
    return figure


def bars_figure(rows: Mapping[str, Mapping[str, float]], ylabel: str) -> Figure:
    """Draw a cluster of bars for every row, one bar for each of its names, from 0 to 1."""
    names = list(dict.fromkeys(name for row in rows.values() for name in row))
    figure = new_figure(2.5 + 0.3 * len(rows) * (len(names) + 1), 3.5)
    axes = figure.subplots()
    width = 0.8 / max(len(names), 1)
    for shift, name in enumerate(names):
        places = np.arange(len(rows)) + width * (shift - (len(names) - 1) / 2)
        axes.bar(places, [row.get(name, 0.0) for row in rows.values()], width, label=name)
    axes.set_xticks(range(len(rows)), list(rows), rotation=45, ha="right")
    axes.set_ylim(0, 1)
    axes.set_ylabel(ylabel)
    axes.legend(ncols=max(len(names), 1), loc="upper center", bbox_to_anchor=(0.5, 1.2))
    return figure
