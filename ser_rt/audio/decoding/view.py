"""`FileView`, a part of a file as a file of its own, and `Bytes`, random access to one."""

from __future__ import annotations

import io
import os
from typing import Any, Protocol

from ser_rt.audio.block import read_up_to

_BLOCK, _FIRST_BLOCK = 1 << 20, 1 << 12


class Seekable(Protocol):
    """Bytes that can be read in any order."""

    def seek(self, offset: int, whence: int = ..., /) -> int:
        """Go to a position."""
        ...

    def read(self, size: int, /) -> bytes:
        """Return up to ``size`` bytes; none at the end."""
        ...

    def close(self) -> None:
        """Close them."""
        ...


class FileView(io.RawIOBase):
    """Bytes ``start`` to ``end`` of an open file, its first ones replaced by ``header``."""

    def __init__(self, file: Seekable, start: int, end: int, header: bytes = b"") -> None:
        """Look at an open file, which stays open when the view is closed."""
        super().__init__()
        self._file, self._start, self._end, self._header = file, start, end, header
        self._at = 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a position in the view."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._end - self._start}
        self._at = max(0, base[whence] + offset)
        return self._at

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer as far as bytes go; return their number."""
        view = memoryview(buffer).cast("B")
        data = read_up_to(self._read, min(len(view), self._end - self._start - self._at))
        view[: len(data)] = data
        return len(data)

    def _read(self, count: int) -> bytes:
        if self._at < len(self._header):
            data = self._header[self._at : self._at + count]
        else:
            self._file.seek(self._start + self._at)
            data = self._file.read(count)
        self._at += len(data)
        return data


class Bytes:
    """Random access to the bytes of a file.

    Attributes:
        size: Number of bytes.
        is_near: Whether reading here and there costs little, as on a disk.
    """

    def __init__(self, file: Seekable, *, is_near: bool = True) -> None:
        self._file, self.is_near = file, is_near
        self.size = file.seek(0, os.SEEK_END)

    def at(self, start: int, count: int) -> bytes:
        """Return ``count`` bytes from ``start``; fewer where the file ends."""
        self._file.seek(start)
        return read_up_to(self._file.read, count)

    def zeros_before(self, start: int, end: int) -> int:
        """Return how many of the bytes from ``start`` to ``end`` are zeros at the end."""
        at = end
        while at > start:
            begin = max(start, at - _BLOCK)
            data = self.at(begin, at - begin)
            left = len(data.rstrip(b"\0"))
            if left:
                return end - begin - left
            at = begin
        return end - start

    def find(self, mark: bytes, start: int) -> int:
        """Return the offset of the next mark, or `size` if there is none."""
        size = _FIRST_BLOCK  # many marks may follow each other closely
        while start < self.size:
            found = self.at(start, size + len(mark) - 1).find(mark)
            if found >= 0:
                return start + found
            start, size = start + size, min(4 * size, _BLOCK)
        return self.size
