"""Tables of files: CSV, JSON lines or Parquet with a ``file_path`` column."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import IO, Any

from ser_rt.batch.remote import beside, is_remote, local_path, name_in, read_remote
from ser_rt.errors import DataError, SerError
from ser_rt.files.names import NameFinder, printable
from ser_rt.files.text import PATH_COLUMNS, decode, parse_csv, pick_column

Row = tuple[str, tuple[str | None, ...]]
_Placed = tuple[str, dict[str, Any]]
"""A row, and which it is, in words."""


def read_listing(name: str) -> tuple[tuple[str, ...], list[Row]]:
    """Read a table of files; relative paths start at its folder, rows without values are none.

    Returns:
        The columns, and for each row the path or URL and the row's values as text.

    Raises:
        DataError: It cannot be read, has no path column or no row, or a path is empty.
    """
    reader, shown = LISTINGS[suffix_of(name)], printable(name)
    try:
        with BytesIO(read_remote(name)) if is_remote(name) else Path(name).open("rb") as file:
            rows = [pair for pair in reader(file) if any(map(_text, pair[1].values()))]
    except SerError:
        raise
    except (OSError, ValueError) as error:
        msg = f"cannot read the table of files {shown}: {error}"
        raise DataError(msg) from error
    columns = tuple(dict.fromkeys(column for _, row in rows for column in row))
    path_column = pick_column(columns, *PATH_COLUMNS)
    if path_column is None:
        has = ", ".join(columns) or "no rows"
        msg = f"{shown} needs a column {' or '.join(PATH_COLUMNS)} and rows; it has {has}"
        raise DataError(msg)
    found: list[Row] = []
    finder = NameFinder()
    for place, row in rows:
        path = _text(row.get(path_column))
        if path is None or not path.strip():
            msg = f"{place} of {shown} has no {path_column}"
            raise DataError(msg)
        values = tuple(_text(row.get(column)) for column in columns)
        if not is_remote(path):
            path = beside(name, local_path(path))
        found.append((path if is_remote(path) else finder.find(path), values))
    return tuple(map(_unicode, columns)), found


def suffix_of(name: str) -> str:
    """Return the end of the name of a file or a URL, in small letters."""
    return Path(name_in(name) if is_remote(name) else name).suffix.lower()


def _text(value: object) -> str | None:
    if value is None or value == "":
        return None
    if isinstance(value, dict | list | bool):
        value = json.dumps(value, ensure_ascii=False)
    return _unicode(str(value))


def _unicode(text: str) -> str:
    """Escape lone surrogates, which JSON can carry and Arrow cannot."""
    return text.encode("utf-8", "backslashreplace").decode()


def _csv(file: IO[bytes]) -> Iterator[_Placed]:
    for line, row in parse_csv(file.read()).rows:
        yield f"line {line}", row


def _jsonl(file: IO[bytes]) -> Iterator[_Placed]:
    for number, line in enumerate(decode(file.read()).split("\n"), start=1):
        if line.strip():
            place = f"line {number}"
            try:
                row = json.loads(line)
            except json.JSONDecodeError as error:
                msg = f"{place}, column {error.colno}: {error.msg}"
                raise ValueError(msg) from error
            except (ValueError, RecursionError) as error:  # more digits or levels than Python takes
                msg = f"{place}: {error}"
                raise ValueError(msg) from error
            if not isinstance(row, dict):
                msg = f"{place} is no JSON object"
                raise ValueError(msg)
            yield place, row


def _parquet(file: IO[bytes]) -> Iterator[_Placed]:
    import pyarrow.parquet as pq

    rows = (row for batch in pq.ParquetFile(file).iter_batches() for row in batch.to_pylist())
    return ((f"row {number}", row) for number, row in enumerate(rows, start=1))


LISTINGS: dict[str, Callable[[IO[bytes]], Iterator[_Placed]]] = {
    ".csv": _csv,
    ".jsonl": _jsonl,
    ".parquet": _parquet,
}
"""Reader of each kind of table, by suffix."""
