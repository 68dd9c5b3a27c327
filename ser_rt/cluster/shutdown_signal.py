"""Detects that Ray Serve is about to stop this replica: its health checks stop arriving.

Serve tells a replica nothing before it has waited, in vain, for the end of its streams.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from ray import serve

SILENCE = 3.0
"""Multiple of the usual interval of health checks after which they count as ended."""

TICK_S, PAUSE_S = 0.2, 1.0


class Heartbeat:
    """Times of the health checks that Serve makes until it stops a replica."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last: float | None = None
        self._between: deque[float] = deque(maxlen=8)

    def beat(self) -> None:
        """Record a health check."""
        now = self._clock()
        if self._last is not None:
            self._between.append(now - self._last)
        self._last = now

    @property
    def is_silent(self) -> bool:
        """Whether there was no health check for much longer than usual."""
        if self._last is None or len(self._between) < 2:
            return False
        return self._clock() - self._last > SILENCE * statistics.median(self._between)

    async def until_shutdown(self, is_stopping: Callable[[], Awaitable[bool]]) -> None:
        """Return when health checks have ended and ``is_stopping`` confirms the shutdown."""
        while True:
            await asyncio.sleep(TICK_S)
            if not self.is_silent:
                continue
            if await is_stopping() and self.is_silent:
                return
            await asyncio.sleep(PAUSE_S)  # Serve may be too busy for health checks


async def is_stopping(app_name: str, deployment: str) -> bool:
    """Return whether Serve is stopping replicas of a deployment; False if unknown."""
    try:
        # Without a timeout: a thread that waits for an unreachable head cannot be ended, and
        # another one for each call would leave none for anything else.
        status = await asyncio.to_thread(serve.status)
    except Exception:  # noqa: BLE001 (an unreachable head is no reason to end streams)
        return False
    if not status.proxies:  # nobody answered
        return False
    app = status.applications.get(app_name)
    found = None if app is None else app.deployments.get(deployment)
    if found is None:  # it is being deleted
        return True
    states: dict[Any, int] = dict(found.replica_states)
    return states.get("STOPPING", 0) > 0
