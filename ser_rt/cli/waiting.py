"""`Waiting`: a line that says how far work is, once it takes over two seconds on a terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Self

PATIENCE_S = 2.0
_EVERY_S = 0.25


class Waiting:
    """Shows text in place on standard error, and takes it away at the end."""

    def __init__(
        self, *, is_quiet: bool = False, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Show nothing if standard error is no terminal."""
        self._clock, self._started = clock, clock()
        self._is_shown = not is_quiet and sys.stderr.isatty()
        self._last = self._started + PATIENCE_S - _EVERY_S
        self._is_written = False

    def update(self, text: str) -> None:
        """Show how far it is; cheap enough for every event."""
        now = self._clock()
        if self._is_shown and now - self._last >= _EVERY_S:
            self._last = now
            self._is_written = True
            sys.stderr.write(f"\r\033[K{text}")
            sys.stderr.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._is_written:
            sys.stderr.write("\r\033[K")
            sys.stderr.flush()
