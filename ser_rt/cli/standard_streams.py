"""Standard streams that a command can write to, whatever they are connected to.

Python has None for a stream that was closed before the start (``>&-``, daemons, pythonw.exe).
An open one may have an encoding of few letters, a full disk behind it, or a reader that has gone.
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
"""Error handler for letters that the encoding of an output lacks."""


class ReaderGone(BaseException):
    """The reader of standard output has gone, as ``head`` does. Not an error; not to be handled."""


class Closed(io.TextIOWrapper):
    """The place of an output that was closed: accepts and discards everything."""

    def __init__(self) -> None:
        nowhere = io.FileIO(_nowhere(), "w", closefd=False)  # a handler may keep it
        super().__init__(io.BufferedWriter(nowhere), "utf-8", _UNKNOWN)


@contextmanager
def standard_streams() -> Iterator[None]:
    """Replace standard output and standard error by streams that accept any text.

    Text is UTF-8, on a terminal in its encoding; other letters are escaped. When standard output
    fails, writing raises `ReaderGone` or `OutputError`, once. Standard error never fails: a lost
    message is no reason to stop.
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
    """Flush standard output; raise the error that it failed with, if it did."""
    sys.stdout.flush()
    output = _output()
    if output is not None and output.is_vital and output.failure is not None:
        raise output.failure


def forgive() -> None:
    """Let standard output fail silently: a program that is being ended prints what it can."""
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
    """Open missing descriptors 0 to 2, so that C libraries do not take another file for them."""
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
    """An output that raises its first failure, if it is vital, and then discards everything."""

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
