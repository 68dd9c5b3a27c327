"""Search for the streams a machine holds: doubling, bisection, a longer run to confirm."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

CLOSE = 0.03
"""Bisection ends where the two ends are this share apart."""

STEP_BACK = 0.05
"""Share of the streams to take away where the longer run does not pass."""


@dataclass(frozen=True)
class Capacity:
    """The largest number of streams that passed, and the smallest that did not."""

    streams: int
    failed_at: int | None


def search(passes: Callable[[int], bool], confirms: Callable[[int], bool], limit: int) -> Capacity:
    """Return the largest number of streams that pass.

    Args:
        passes: Tries a number of streams.
        confirms: Tries it for longer; its result counts.
        limit: Most to try.
    """
    good, bad = 0, None
    count = 1
    while count <= limit:
        if not passes(count):
            bad = count
            break
        good = count
        count = min(2 * count, limit) if count < limit else limit + 1
    while bad is not None and bad - good > max(1, CLOSE * good):
        middle = (good + bad) // 2
        if passes(middle):
            good = middle
        else:
            bad = middle
    while good and not confirms(good):
        bad = good
        good = min(good - 1, int(good * (1 - STEP_BACK)))
    return Capacity(good, bad)
