"""Standard streams that a command can write to, whatever they are.

Python has None for what was closed before it started, as by ``>&-``, a daemon or pythonw.exe. What
is open may know few letters, lead to a full disk, or to a reader that has gone.
"""

from __future__ import annotations

import io
import os
import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any, TextIO

from ser_rt.errors import OutputError

_UNKNOWN = "backslashreplace"
"""What becomes of letters that an output does not know."""


class ReaderGone(BaseException):
    """Who read standard output has enough, as ``head`` does. No error, and nobody's to handle."""


class Closed(io.TextIOWrapper):
    """Stands for an output that was closed: takes everything, keeps nothing."""

    def __init__(self) -> None:
        """Write to nowhere."""
        nowhere = io.FileIO(_nowhere(), "w", closefd=False)  # a handler may keep it
        super().__init__(io.BufferedWriter(nowhere), "utf-8", _UNKNOWN)


@contextmanager
def standard_streams() -> Iterator[None]:
    """Have standard output and standard error that text of any kind can be printed to.

    Text is UTF-8, and on a terminal what that shows; other letters are escaped. Where standard
    output fails, writing raises `ReaderGone` or `OutputError`, once. Standard error never fails:
    what nobody can be told is no reason to stop.
    """
    before = sys.stdout, sys.stderr
    _fill_descriptors()
    sys.stdout, sys.stderr = _open(sys.stdout, is_vital=True), _open(sys.stderr, is_vital=False)
    try:
        yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ReaderGone):
                stream.flush()
        sys.stdout, sys.stderr = before


def finish() -> None:
    """Write what standard output still holds; raise what it failed with, be it heard of or not."""
    sys.stdout.flush()
    output = _output()
    if output is not None and output.is_vital and output.failure is not None:
        raise output.failure


def forgive() -> None:
    """Let standard output fail as standard error may: a program that is ended says what it can."""
    output = _output()
    if output is not None:
        output.is_vital = False


def _output() -> _Output | None:
    raw = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    return raw if isinstance(raw, _Output) else None


@cache
def _nowhere() -> int:
    return os.open(os.devnull, os.O_WRONLY)


def _fill_descriptors() -> None:
    """Keep a file that is opened next from being what C libraries take for a standard stream."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            nowhere = os.open(os.devnull, os.O_RDWR)  # the lowest number that is free
            if nowhere == number:
                os.set_inheritable(nowhere, True)  # noqa: FBT003 (the system's own)
            else:
                os.dup2(nowhere, number)
                os.close(nowhere)


def _open(stream: TextIO | None, *, is_vital: bool) -> TextIO:
    if stream is None:
        return Closed()
    if not isinstance(stream, io.TextIOWrapper):
        return stream
    encoding = stream.encoding if stream.isatty() else "utf-8"
    buffer = stream.buffer
    raw = getattr(buffer, "raw", buffer)
    if not isinstance(raw, io.RawIOBase):  # held in memory, as tests do
        stream.reconfigure(encoding=encoding, errors=_UNKNOWN)
        return stream
    with suppress(OSError):
        stream.flush()
    return io.TextIOWrapper(
        io.BufferedWriter(_Output(raw, is_vital=is_vital)),
        encoding,
        _UNKNOWN,
        line_buffering=stream.line_buffering or stream.write_through,
    )


class _Output(io.RawIOBase):
    """An output whose first failure is told, if it is vital; after that it takes everything."""

    def __init__(self, raw: io.RawIOBase, *, is_vital: bool) -> None:
        self._raw, self.is_vital = raw, is_vital
        self.failure: BaseException | None = None

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return self._raw.isatty()

    def fileno(self) -> int:
        return self._raw.fileno()

    def write(self, data: Any, /) -> int:
        if self.failure is not None:
            return memoryview(data).nbytes
        try:
            while (count := self._raw.write(data)) is None:  # it is full, and does not wait
                select.select([], [self.fileno()], [])
        except OSError as error:
            msg = f"standard output cannot be written: {error.strerror}"
            self.failure = ReaderGone() if isinstance(error, BrokenPipeError) else OutputError(msg)
            if self.is_vital:
                raise self.failure from error
            return memoryview(data).nbytes
        return count
