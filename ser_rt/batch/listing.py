"""Tables of files: CSV, JSON lines or Parquet with a ``file_path`` column."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from ser_rt.batch.remote import beside, is_remote, local_path, open_remote
from ser_rt.errors import DataError, SerError

PATH_COLUMNS = ("file_path", "file")
"""Where the path is; the first that a table has."""

Row = tuple[str, tuple[str | None, ...]]


def read_listing(name: str) -> tuple[tuple[str, ...], list[Row]]:
    """Read a table of files; relative paths start at its folder.

    Returns:
        The columns, and for each row the path or URL and the row's values as text.

    Raises:
        DataError: It cannot be read, has no path column or no row, or a path is empty.
    """
    reader = LISTINGS[Path(name.partition("::")[0]).suffix.lower()]
    try:
        with open_remote(name) if is_remote(name) else Path(name).open("rb") as file:
            rows = list(reader(file))
    except SerError:
        raise
    except (OSError, ValueError, csv.Error) as error:
        msg = f"cannot read the table of files {name}: {error}"
        raise DataError(msg) from error
    columns = tuple(dict.fromkeys(column for row in rows for column in row))
    path_column = next((column for column in PATH_COLUMNS if column in columns), None)
    if path_column is None:
        has = ", ".join(columns) or "no rows"
        msg = f"{name} needs a column {' or '.join(PATH_COLUMNS)} and rows; it has {has}"
        raise DataError(msg)
    found: list[Row] = []
    for number, row in enumerate(rows, start=1):
        path = _text(row.get(path_column))
        if path is None:
            msg = f"row {number} of {name} has no {path_column}"
            raise DataError(msg)
        values = tuple(_text(row.get(column)) for column in columns)
        found.append((local_path(path if is_remote(path) else beside(name, path)), values))
    return columns, found


def _text(value: object) -> str | None:
    if value is None or value == "":
        return None
    if isinstance(value, str):
        return value
    plain = isinstance(value, dict | list | bool)
    return json.dumps(value, ensure_ascii=False) if plain else str(value)


def _csv(file: IO[bytes]) -> Iterator[dict[str, Any]]:
    text = file.read().decode("utf-8-sig")
    for row in csv.DictReader(text.splitlines(keepends=True)):
        if None in row:
            msg = f"a row has more values than there are columns: {row[None]}"
            raise ValueError(msg)
        yield row


def _jsonl(file: IO[bytes]) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(file, start=1):
        if line.strip():
            row = json.loads(line)
            if not isinstance(row, dict):
                msg = f"line {number} is no JSON object"
                raise ValueError(msg)
            yield row


def _parquet(file: IO[bytes]) -> Iterator[dict[str, Any]]:
    import pyarrow.parquet as pq

    for batch in pq.ParquetFile(file).iter_batches():
        yield from batch.to_pylist()


LISTINGS: dict[str, Callable[[IO[bytes]], Iterator[dict[str, Any]]]] = {
    ".csv": _csv,
    ".jsonl": _jsonl,
    ".parquet": _parquet,
}
"""Reader of each kind of table, by suffix."""
