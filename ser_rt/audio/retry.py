"""Back-off: waits between attempts to connect, longer and longer, with jitter."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator


def backoff(
    first_s: float,
    most_s: float,
    *,
    growth: float = 2.0,
    draw: Callable[[], float] = random.random,
) -> Iterator[float]:
    """Yield waits in seconds, without end.

    Each is drawn from the upper half of a span that grows from ``first_s`` to ``most_s``, so that
    what was lost at one moment does not come back at one moment; ``draw`` gives 0 to 1.

    >>> waits = backoff(0.5, 3.0, draw=lambda: 1.0)
    >>> [next(waits) for _ in range(4)]
    [0.5, 1.0, 2.0, 3.0]
    """
    span_s = first_s
    while True:
        yield span_s * (1 + draw()) / 2
        span_s = min(growth * span_s, most_s)
