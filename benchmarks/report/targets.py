"""Figures of the benchmarks, in the words and units of the report, and their targets."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture


@dataclass(frozen=True)
class Figure:
    """One row of the report.

    Attributes:
        what: What is measured, and on what.
        unit: Unit of the figure and its target.
        target: What it must reach.
        at_most: Whether the target is a ceiling; else it is a floor.
        value: The figure, where it is not a time.
        per_s: The figure is the median time in seconds times this, where it is a time.
        audio_s: Seconds of audio that one round handles, where the figure is a speed.
    """

    what: str
    unit: str
    target: float
    at_most: bool = True
    value: float | None = None
    per_s: float | None = None
    audio_s: float | None = None

    def measured(self, median_s: float) -> float:
        """Return the figure for a median time of one round in seconds."""
        if self.value is not None:
            return self.value
        return self.audio_s / median_s if self.audio_s else median_s * (self.per_s or 1.0)

    def cells(self, median_s: float) -> tuple[str, str, str]:
        """Return a row of a table: what, measured, target."""
        measured = self.measured(median_s)
        met = measured <= self.target if self.at_most else measured >= self.target
        target = f"{'at most' if self.at_most else 'at least'} {self.target:g} {self.unit}"
        return self.what, f"{measured:.3g} {self.unit}", f"{target}{'' if met else ', missed'}"


def note(benchmark: BenchmarkFixture, figure: Figure) -> None:
    """Leave the figure with its benchmark, for the report to find."""
    benchmark.extra_info["figure"] = asdict(figure)


def noted(entry: dict[str, Any]) -> tuple[str, str, str] | None:
    """Return the row of one benchmark of a pytest-benchmark JSON file, if it is for the report."""
    if "figure" not in entry["extra_info"]:
        return None
    return Figure(**entry["extra_info"]["figure"]).cells(entry["stats"]["median"])
