"""`RotatingFile`, an output file of limited size."""

from __future__ import annotations

import io
import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ser_rt.errors import OutputError
from ser_rt.files.names import printable
from ser_rt.files.outputs import is_special


class RotatingFile(io.TextIOBase):
    """Text lines to a file of at most ``max_bytes``: the full one becomes ``name.1``, and so on.

    Of the old ones ``keep`` stay. Lines are never cut, and a table's header starts each file.
    """

    def __init__(
        self, path: Path, *, max_bytes: int | None = None, keep: int = 5, header: bool = False
    ) -> None:
        """Open for writing; without ``max_bytes`` it never rotates.

        Raises:
            OutputError: The file cannot be written.
        """
        # Rotation moves what a link points to, not the link.
        self._path = path if is_special(path) else Path(os.path.realpath(path))
        self._max_bytes, self._keep = max_bytes, keep
        self._header: str | None = "" if header else None
        self._open()

    def write(self, text: str) -> int:
        """Write whole lines."""
        size = len(text.encode("utf-8", "backslashreplace"))
        if self._max_bytes and self._size and self._size + size > self._max_bytes:
            self._rotate()
        if self._header == "":
            self._header = text
        self._size += size
        with self._translated():
            return self._file.write(text)

    def flush(self) -> None:
        """Flush to the system."""
        if not self._file.closed:
            with self._translated():
                self._file.flush()

    def close(self) -> None:
        """Close the file."""
        with self._translated():
            self._file.close()
        super().close()

    def _open(self) -> None:
        mode = "a" if is_special(self._path) else "w"
        with self._translated():
            self._file = self._path.open(
                mode, encoding="utf-8", errors="backslashreplace", newline=""
            )
        self._size = 0

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            msg = f"{printable(self._path)} cannot be written: {error.strerror}"
            raise OutputError(msg) from error

    def _rotate(self) -> None:
        self._file.close()
        old = [self._path, *(Path(f"{self._path}.{n}") for n in range(1, self._keep + 1))]
        for newer, older in reversed(list(itertools.pairwise(old))):
            if newer.exists():
                newer.replace(older)
        self._open()
        if self._header:
            self._size = len(self._header.encode("utf-8", "backslashreplace"))
            self._file.write(self._header)
