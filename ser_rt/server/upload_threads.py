"""`UploadThreads`: where uploads are decoded and classified, apart from streams."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")


class UploadThreads:
    """Runs the steps of uploads in threads of their own, a few at once.

    A step cannot be stopped: one whose client has left, or whose time is over, goes on to its end.
    In the threads of streams it would hold these up, and at the end of the process the process.

    Attributes:
        abandoned: Steps that still run, with nobody who waits for them.
    """

    def __init__(self, at_once: int) -> None:
        """Let so many steps run at once that somebody waits for."""
        self._turns = asyncio.Semaphore(at_once)
        self.abandoned = 0

    async def run(self, work: Callable[[], T]) -> T:
        """Return what a function returns, or raise what it raises."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()

        def end(settle: Callable[[Any], None], value: Any) -> None:
            if done.cancelled():
                self.abandoned -= 1
            else:
                settle(value)

        def step() -> None:
            settle: Callable[[Any], None] = done.set_result
            try:
                value: Any = work()
            except BaseException as error:  # noqa: BLE001 (raised again where it is awaited)
                settle, value = done.set_exception, error
            with suppress(RuntimeError):  # the loop is closed: nobody waits
                loop.call_soon_threadsafe(end, settle, value)

        async with self._turns:
            threading.Thread(target=step, name="ser-rt-upload", daemon=True).start()
            try:
                return await done
            finally:
                self.abandoned += done.cancelled()
