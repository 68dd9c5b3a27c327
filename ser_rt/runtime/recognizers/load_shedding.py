"""`LoadShedder`, which keeps a live stream from falling behind a model slower than the hop."""

from __future__ import annotations

import math

from ser_rt.audio.block import SourceWarning

HEADROOM = 0.8
"""Share of real time that the model may take."""

CALM_HOPS = 6
"""So many in a row must fit a shorter hop before the hop is shortened."""

MAX_STRIDE = 120
_OLD = 0.7
"""Weight of what was before the newest hop in the running mean of the cost."""


class LoadShedder:
    """Chooses which windows of a live stream the model classifies.

    A window that waited longer than a hop is stale: a newer one lies behind it. Where the model
    cannot keep up at all, only every n-th window is taken: the hop widens.

    A network that computes each hop once saves nothing by a result that it leaves out, until
    results are further apart than a window is long, and the hops between are in none: its hop
    widens at once by so much, if at all.
    """

    def __init__(self, hop_s: float, window_hops: int = 1) -> None:
        """Set the wanted hop in seconds; of a network that streams, how many a window has."""
        self._hop_s, self._window_hops = hop_s, window_hops
        self._stride = self._span = 1
        self._cost_s = self._aside_s = 0.0
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
        self._span, self._since = self._since, 0
        return True

    def readmit(self) -> None:
        """Take back the last refusal: its window is classified after all."""
        self.skipped_windows -= 1

    def spent(
        self, cost_s: float, *, hops: int = 1, aside_s: float = 0.0
    ) -> tuple[SourceWarning, ...]:
        """Note the cost of a result; return the warnings that follow from it.

        Args:
            cost_s: Of the result, in seconds.
            hops: How many were computed for it.
            aside_s: Of everything else that the model did for the stream since the last result.
        """
        new = 1 - _OLD**hops
        self._cost_s += new * (cost_s / hops - self._cost_s)
        self._aside_s += new * (aside_s / self._span - self._aside_s)
        wanted = self._wanted()
        stale = self.finish()
        self._calm = self._calm + hops if wanted < self._stride else 0
        if wanted > self._stride or self._calm >= CALM_HOPS:
            self._stride, self._calm = wanted, 0
            return (self._change(),)
        return stale

    def finish(self) -> tuple[SourceWarning, ...]:
        """Return the warning that is due where no result follows that would have it."""
        stale, self._stale = self._stale, 0
        if not stale or self._stride > 1:
            return ()
        return (SourceWarning("stale", f"{stale} windows were dropped: they came too late"),)

    @property
    def _spent_s(self) -> float:
        """What the model takes for a hop of the stream, in seconds."""
        return self._cost_s + self._aside_s

    def _wanted(self) -> int:
        """Return of how many results one can be afforded."""
        if self._window_hops > 1 and self._spent_s <= self._hop_s:
            return 1
        left_s = HEADROOM * self._hop_s - self._aside_s
        if left_s <= 0:
            return MAX_STRIDE
        wanted = math.ceil(self._window_hops * self._cost_s / left_s)
        return min(max(1, wanted), MAX_STRIDE)

    def _change(self) -> SourceWarning:
        now = f"one result every {self.hop_s:g} s"
        if self._stride == 1:
            return SourceWarning("recovered", f"the model keeps up again: {now}")
        slow = f"the model takes {self._spent_s:.2g} s, the hop is {self._hop_s:g} s"
        return SourceWarning("degraded", f"{slow}: {now}, windows between are dropped")
