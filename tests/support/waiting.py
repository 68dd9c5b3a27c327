"""Waiting for a condition that no event announces, instead of sleeping."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

LOOK_EVERY_S = 0.002


def wait_until(is_so: Callable[[], object], within_s: float = 60.0, why: object = "") -> None:
    """Wait for a condition; fail, with the reason that it matters, if it does not come."""
    ends_at = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < ends_at, f"not within {within_s:g} s: {why or is_so}"
        time.sleep(LOOK_EVERY_S)


async def until(is_so: Callable[[], object], within_s: float = 60.0) -> None:
    """Wait as `wait_until` does, without blocking the event loop."""
    async with asyncio.timeout(within_s):
        while not is_so():  # noqa: ASYNC110 (no event announces it)
            await asyncio.sleep(LOOK_EVERY_S)
