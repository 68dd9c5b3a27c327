"""`Wish`: what somebody wants of a stream, and how far figures are from it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from ser_rt.checks import Checked, above, at_least, setting, within

_LIMITS = {
    "max_delay": ("delay_median_s", 1),
    "max_late_delay": ("delay_p90_s", 1),
    "max_false_changes": ("false_changes_per_min", 1),
    "max_flicker": ("flicker_per_min", 1),
    "max_missed": ("missed", 1),
    "max_risk": ("risk", 1),
    "min_uar": ("uar", -1),
}
"""The figure of each limit, and whether more of it (1) or less (-1) is worse."""


@dataclass(frozen=True)
class Wish(Checked):
    """Limits of figures; None is no limit. Within them the error rate is to be low."""

    max_delay: float | None = setting(None, "median delay of a change, in seconds", above(0))
    max_late_delay: float | None = setting(None, "delay of 90 %% of the changes, in s", above(0))
    max_false_changes: float | None = setting(
        None, "false changes a minute of neutral speech", at_least(0)
    )
    max_flicker: float | None = setting(None, "flicker a minute of speech", at_least(0))
    max_missed: float | None = setting(None, "share of changes missed", within(0, 1))
    max_risk: float | None = setting(None, "share of named answers that are wrong", within(0, 1))
    min_uar: float | None = setting(None, "recall of emotions by time, their mean", within(0, 1))

    def broken(self, figures: Mapping[str, float]) -> dict[str, float]:
        """Return the limits that figures break, each with how far as a share of it.

        A figure that cannot be measured, such as the delay where nothing is noticed, breaks it.
        """
        found = {}
        for name, (figure, worse) in _LIMITS.items():
            limit = getattr(self, name)
            if limit is None:
                continue
            value = figures[figure]
            excess = math.inf if math.isnan(value) else worse * (value - limit)
            if excess > 0:
                found[name] = min(excess / max(limit, 0.1), 10.0)
        return found

    def cost(self, figures: Mapping[str, float]) -> float:
        """Return what to make small: the error rate within the limits, above 1 outside of them."""
        broken = self.broken(figures)
        return 1 + sum(broken.values()) if broken else figures["eder"]
