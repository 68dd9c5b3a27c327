"""`Range` and `Values`: the values that a search tries of one setting."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import optuna

_STEP = 0.05


@dataclass(frozen=True)
class Range:
    """Values within two others: steps of 0.05, or any, drawn by their logarithm."""

    low: float
    high: float
    is_logarithmic: bool = False

    def suggest(self, trial: optuna.Trial, name: str) -> float:
        """Return the value of a trial."""
        step = None if self.is_logarithmic else _STEP
        drawn = trial.suggest_float(name, self.low, self.high, step=step, log=self.is_logarithmic)
        return round(drawn, 2)

    def nearest(self, value: float) -> float:
        """Return the value of the range that is nearest to another.

        >>> Range(0.1, 0.8).nearest(0.43), Range(0.3, 15.0, is_logarithmic=True).nearest(0.0)
        (0.45, 0.3)
        """
        if not self.is_logarithmic:
            value = round(self.low + _STEP * round((value - self.low) / _STEP), 2)
        return min(max(value, self.low), self.high)


@dataclass(frozen=True)
class Values:
    """Some values, of which none is between two others."""

    values: Sequence[float]

    def suggest(self, trial: optuna.Trial, name: str) -> float:
        """Return the value of a trial."""
        return float(trial.suggest_categorical(name, list(self.values)))

    def nearest(self, value: float) -> float:
        """Return the value that is nearest to another."""
        return min(self.values, key=lambda one: abs(one - value))


RANGES = {
    "half_life_s": Range(0.3, 15.0, is_logarithmic=True),
    "weight_per_s": Range(0.3, 8.0, is_logarithmic=True),
    "neutral": Range(0.1, 0.8),
    "enter": Range(0.0, 0.9),
    "leave": Range(0.2, 1.0),
    "hold_s": Range(0.0, 3.0),
    "unsure": Range(0.0, 0.5),
}
"""Of settings for which the network need not run anew, by their names in a `Profile`."""
