"""Report of a `Tuner`: what was found, and what other settings would trade for what."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ser_rt.evaluation.plots import new_figure, png
from ser_rt.judging.report import score_table
from ser_rt.judging.tuning import Trial, Tuner
from ser_rt.tables import Table, html_image, html_page, html_table, shown

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST_ROWS = 20
_COLUMNS = {
    "delay_median_s": "{:.2f} s",
    "false_changes_per_min": "{:.1f}",
    "flicker_per_min": "{:.1f}",
    "eder": "{:.3f}",
}
_NOTE = (
    "Each point is one setting. To the left, changes are noticed sooner; below, less is wrong. "
    "The line joins the settings that none beats in delay, false changes and error rate together; "
    "the cross is what was chosen."
)


def comparison(rows: Mapping[str, Trial]) -> Table:
    """Return the figures of some settings, by name."""
    return score_table("Settings", {name: trial.score for name, trial in rows.items()})


def trade_off_table(trials: Sequence[Trial]) -> Table:
    """Return the settings that none beats, the quickest first."""
    step = max(1, len(trials) // _MOST_ROWS)
    rows = [
        (
            *(shown(t.score.figures[name], how.format) for name, how in _COLUMNS.items()),
            " ".join(f"{name}={value:g}" for name, value in t.profile.to_dict().items()),
        )
        for t in trials[::step]
    ]
    return Table("Trade-off", ("delay", "false changes", "flicker", "EDER", "settings"), rows)


def page(tuner: Tuner, best: Trial, tables: Sequence[Table], wish: str) -> str:
    """Return the trade-off as one HTML page."""
    image = html_image("Trade-off", png(_figure(tuner, best)), _NOTE)
    first, *rest = map(html_table, tables)
    return html_page(f"Settings for {wish}", [first, image, *rest])


def _figure(tuner: Tuner, best: Trial) -> Figure:
    figure = new_figure(7, 4.5)
    axes = figure.subplots()
    errors = [trial.score.figures["eder"] for trial in tuner.trials]
    wrong, label = "false_changes_per_min", "false changes a minute of neutral speech"
    if all(math.isnan(trial.score.figures[wrong]) for trial in tuner.trials):  # none is neutral
        wrong, label = "eder", "EDER"

    def places(trials: Sequence[Trial]) -> tuple[list[float], list[float]]:
        figures = [trial.score.figures for trial in trials]
        return ([f["delay_median_s"] for f in figures], [f[wrong] for f in figures])

    points = axes.scatter(*places(tuner.trials), c=errors, s=14, cmap="viridis_r")
    axes.plot(*places(tuner.trade_off()), color="black", linewidth=0.8)
    axes.plot(*places([best]), "x", color="#d93025", markersize=12, markeredgewidth=3)
    figure.colorbar(points, label="EDER")
    axes.set(xlabel="median delay in seconds", ylabel=label)
    return figure
