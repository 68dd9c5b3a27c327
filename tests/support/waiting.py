"""Waiting until something is so, where nothing tells; no test waits for a time to pass."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

LOOK_EVERY_S = 0.002


def wait_until(is_so: Callable[[], object], within_s: float = 60.0, why: object = "") -> None:
    """Wait for something to be so; fail, and say why it matters, if it does not come."""
    ends_at = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < ends_at, f"not within {within_s:g} s: {why or is_so}"
        time.sleep(LOOK_EVERY_S)


async def until(is_so: Callable[[], object], within_s: float = 60.0) -> None:
    """Wait as `wait_until` does, and let others go on meanwhile."""
    async with asyncio.timeout(within_s):
        while not is_so():  # noqa: ASYNC110 (nothing tells)
            await asyncio.sleep(LOOK_EVERY_S)
