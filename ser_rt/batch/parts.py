"""Parts of an output: the Parquet files that a batch writes, by their names alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ser_rt.audio.discovery import kind_of_clutter
from ser_rt.files.writing import replacing

SUMMARY = "summary.json"

_PART = re.compile(r"part-([0-9]{6,})\.parquet")
_UNFINISHED = re.compile(rf"\.{_PART.pattern}(\.[0-9]+)?\.partial")


def name_of(number: int) -> str:
    """Return the name of a part; numbers begin with 1."""
    return f"part-{number:06}.parquet"


def number_of(name: str) -> int:
    """Return the number of the part of that name; 0 if no batch gives such a name."""
    found = _PART.fullmatch(name)
    return int(found[1]) if found else 0


def names_in(folder: Path) -> list[str]:
    """Return the names of the parts in a folder, in order; none if there is no folder."""
    names = (path.name for path in (folder.iterdir() if folder.is_dir() else ()))
    return sorted(filter(number_of, names), key=number_of)


def unfinished_in(folder: Path) -> list[Path]:
    """Return what killed runs left of parts that they were writing."""
    return [path for path in folder.iterdir() if _UNFINISHED.fullmatch(path.name)]


def foreign_in(folder: Path, tables: set[str]) -> Iterator[Path]:
    """Yield what no batch wrote into an output; names that systems leave in folders are none."""
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.name in tables and path.is_dir():
            yield from (
                inner
                for inner in path.iterdir()
                if not (number_of(inner.name) or kind_of_clutter(inner.name))
            )
        elif path.name != SUMMARY and not kind_of_clutter(path.name):
            yield path


# Arrow is given open files: of a name it would take what is before a colon for a protocol, and it
# takes no name that is not UTF-8.


def read_part(path: Path, schema: pa.Schema, columns: list[str] | None = None) -> pa.Table:
    """Return the rows of a part."""
    with path.open("rb") as file:
        return pq.read_table(file, schema=schema, columns=columns)


def read_batches(path: Path, columns: list[str]) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a part piece by piece."""
    with path.open("rb") as file:
        yield from pq.ParquetFile(file).iter_batches(columns=columns)


def read_metadata(path: Path) -> dict[bytes, bytes]:
    """Return the metadata of a part's schema."""
    with path.open("rb") as file:
        return pq.read_schema(file).metadata or {}


def write_part(table: pa.Table, path: Path) -> None:
    """Write a part, whole or not at all."""
    with replacing(path) as file:
        pq.write_table(table, file, compression="zstd", row_group_size=65_536)
