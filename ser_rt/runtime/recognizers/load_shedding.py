"""`LoadShedder`, which keeps a live stream from falling behind a model slower than the hop."""

from __future__ import annotations

import math

from ser_rt.audio.block import SourceWarning

HEADROOM = 0.8
"""Share of real time that the model may take."""

CALM_WINDOWS = 6
"""So many windows in a row must fit a shorter hop before the hop is shortened."""

MAX_STRIDE = 120
_NEW = 0.3
"""Weight of the newest window in the running mean of the cost."""


class LoadShedder:
    """Chooses which windows of a live stream the model classifies.

    A window that waited longer than a hop is stale: a newer one lies behind it. Where the model
    cannot keep up at all, only every n-th window is taken: the hop widens.
    """

    def __init__(self, hop_s: float) -> None:
        """Set the wanted hop in seconds."""
        self._hop_s = hop_s
        self._stride = 1
        self._cost_s = 0.0
        self._calm = self._since = self._stale = 0
        self.skipped_windows = 0

    @property
    def hop_s(self) -> float:
        """Time in seconds from one result to the next, as it is now."""
        return self._stride * self._hop_s

    @property
    def is_behind(self) -> bool:
        """Whether the model is too slow for every window; it may catch up with some that wait."""
        return self._stride > 1

    def admits(self, lag_s: float) -> bool:
        """Return whether to classify a window whose audio came ``lag_s`` ago."""
        self._since += 1
        is_stale = lag_s > self._hop_s
        if is_stale or self._since < self._stride:
            self._stale += is_stale
            self.skipped_windows += 1
            return False
        self._since = 0
        return True

    def readmit(self) -> None:
        """Take back the last refusal: its window is classified after all."""
        self.skipped_windows -= 1

    def spent(self, cost_s: float) -> tuple[SourceWarning, ...]:
        """Note the cost of a result; return the warnings that follow from it."""
        self._cost_s += _NEW * (cost_s - self._cost_s)
        wanted = math.ceil(self._cost_s / (HEADROOM * self._hop_s))
        wanted = min(max(1, wanted), MAX_STRIDE)
        stale, self._stale = self._stale, 0
        self._calm = self._calm + 1 if wanted < self._stride else 0
        if wanted > self._stride or self._calm == CALM_WINDOWS:
            self._stride, self._calm = wanted, 0
            return (self._change(),)
        if stale and self._stride == 1:
            return (SourceWarning("stale", f"{stale} windows were dropped: they came too late"),)
        return ()

    def _change(self) -> SourceWarning:
        now = f"one result every {self.hop_s:g} s"
        if self._stride == 1:
            return SourceWarning("recovered", f"the model keeps up again: {now}")
        slow = f"the model takes {self._cost_s:.2g} s, the hop is {self._hop_s:g} s"
        return SourceWarning("degraded", f"{slow}: {now}, windows between are dropped")
