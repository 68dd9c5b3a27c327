"""When a replica is to end: Serve says nothing before it has waited in vain for its streams."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from ray import serve

SILENCE = 3.0
"""Times the usual time between two questions."""

TICK_S, PAUSE_S = 0.2, 1.0


class Heartbeat:
    """Serve asks a replica again and again whether it is well, and no more once it is to end."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Wait to be asked."""
        self._clock = clock
        self._last: float | None = None
        self._between: deque[float] = deque(maxlen=8)

    def beat(self) -> None:
        """Note that Serve asks."""
        now = self._clock()
        if self._last is not None:
            self._between.append(now - self._last)
        self._last = now

    @property
    def is_silent(self) -> bool:
        """Whether it has not asked for much longer than it used to."""
        if self._last is None or len(self._between) < 2:
            return False
        return self._clock() - self._last > SILENCE * statistics.median(self._between)

    async def until_the_end(self, is_stopping: Callable[[], Awaitable[bool]]) -> None:
        """Return when Serve asks no more, and something else says too that it stops replicas."""
        while True:
            await asyncio.sleep(TICK_S)
            if not self.is_silent:
                continue
            if await is_stopping() and self.is_silent:
                return
            await asyncio.sleep(PAUSE_S)  # who is too busy to ask shall not be asked all the time


async def is_stopping(app_name: str, deployment: str) -> bool:
    """Return whether Serve is stopping replicas of a deployment; False if nobody can tell."""
    try:
        # As long as it takes: a thread that waits for a head that is away cannot be ended, and
        # another one for each question would leave none for anything else.
        status = await asyncio.to_thread(serve.status)
    except Exception:  # noqa: BLE001 (a head that is away is no reason to end streams)
        return False
    if not status.proxies:  # nobody answered
        return False
    app = status.applications.get(app_name)
    found = None if app is None else app.deployments.get(deployment)
    if found is None:  # it is being deleted
        return True
    states: dict[Any, int] = dict(found.replica_states)
    return states.get("STOPPING", 0) > 0
