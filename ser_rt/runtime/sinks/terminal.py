"""What a display must do for the terminal that it shares with others.

Libraries below Python, such as PortAudio and ALSA, write to descriptor 2; a program is stopped by
Ctrl-Z and goes on with ``fg``. Neither may leave half a picture, or a terminal without a cursor.
"""

from __future__ import annotations

import io
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

_STDERR = 2


class _Kept(io.TextIOBase):
    """Takes the place of standard error: tells each line, and keeps it for later."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell, self._rest = tell, ""
        self.lines: list[str] = []

    def writable(self) -> bool:
        return True

    def write(self, text: str, /) -> int:
        *whole, self._rest = (self._rest + text).split("\n")
        for line in filter(None, whole):
            self.lines.append(line)
            self._tell(line)
        return len(text)


@contextmanager
def messages_kept(tell: Callable[[str], None]) -> Iterator[None]:
    """Tell a function the lines of standard error, and print them afterwards.

    What C libraries write to the terminal meanwhile is discarded: it would go through the picture.
    """
    kept, before = _Kept(tell), sys.stderr
    sys.stderr = kept
    try:
        with _quiet_descriptor():
            yield
    finally:
        sys.stderr = before
        for line in kept.lines:
            print(line, file=before)


@contextmanager
def _quiet_descriptor() -> Iterator[None]:
    if not _is_terminal(_STDERR):
        yield
        return
    with suppress(OSError, ValueError):
        sys.__stderr__.flush()  # type: ignore[union-attr]  # None where it is closed: no terminal
    real = os.dup(_STDERR)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, _STDERR)
    os.close(nowhere)
    try:
        yield
    finally:
        os.dup2(real, _STDERR)
        os.close(real)


def _is_terminal(descriptor: int) -> bool:
    try:
        return os.isatty(descriptor)
    except OSError:
        return False


@contextmanager
def stopped_with_the_program(stop: Callable[[], None], start: Callable[[], None]) -> Iterator[None]:
    """Stop something before Ctrl-Z stops the program, and start it again when it goes on."""
    tstp = getattr(signal, "SIGTSTP", None)
    if tstp is None or threading.current_thread() is not threading.main_thread():
        yield
        return

    def suspend(number: int, _frame: FrameType | None) -> None:
        stop()
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)  # returns when the program goes on
        signal.signal(number, suspend)
        start()

    before = signal.signal(tstp, suspend)
    try:
        yield
    finally:
        signal.signal(tstp, before)
