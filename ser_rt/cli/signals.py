"""Handlers that treat SIGTERM and SIGHUP as Ctrl-C, so that a run still writes its results."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

ENDING = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))
"""Signals that end a program: from another program, and from a terminal that closes."""


class Terminated(KeyboardInterrupt):
    """One of the signals of `ENDING` arrived."""

    def __init__(self, number: int = signal.SIGTERM) -> None:
        super().__init__()
        self.number = number


def is_ignored(number: int) -> bool:
    """Return whether a program was started to outlive a signal, as ``nohup`` does with SIGHUP."""
    return signal.getsignal(number) is signal.SIG_IGN


@contextmanager
def terminable() -> Iterator[None]:
    """Raise `Terminated` at the first signal and ignore later ones, in the main thread alone.

    A signal that was ignored before stays ignored.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = [number for number in ENDING if not is_ignored(number)]

    def end(number: int, _frame: FrameType | None) -> None:
        for each in numbers:
            signal.signal(each, signal.SIG_IGN)
        raise Terminated(number)

    before = {number: signal.signal(number, end) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Defer Ctrl-C and signals that end the program to the end of the block."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    arrived: list[tuple[int, FrameType | None]] = []
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, *ENDING)}
    caught = {number: handler for number, handler in handlers.items() if callable(handler)}
    for number in caught:
        signal.signal(number, lambda *signalled: arrived.append(signalled))
    try:
        yield
    finally:
        for number, handler in caught.items():
            signal.signal(number, handler)
    for number, frame in arrived[:1]:
        caught[number](number, frame)
