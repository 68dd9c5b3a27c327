"""What there is to hear: files, folders, globs, tables of files, and the same by URL."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ser_rt.batch.listing import LISTINGS, read_listing
from ser_rt.batch.remote import find_remote, is_remote, local_path, printable
from ser_rt.corpus import AUDIO_SUFFIXES
from ser_rt.errors import DataError


@dataclass(frozen=True, slots=True)
class Item:
    """One recording to hear.

    Attributes:
        path: Absolute path, or URL.
        size: Bytes; None where it is not known.
        extra: What a table of files says about it beside its path, one value a column.
    """

    path: str
    size: int | None
    extra: tuple[str | None, ...] = ()


@dataclass(frozen=True, slots=True)
class Corpus:
    """Everything to hear, each file once, the longest first as far as sizes are known.

    Attributes:
        items: What to hear.
        columns: Names of the values in each item's ``extra``.
        duplicates: How many more times files were named.
    """

    items: tuple[Item, ...]
    columns: tuple[str, ...]
    duplicates: int


def find_inputs(inputs: Sequence[str]) -> Corpus:
    """Find every file that the inputs name.

    Args:
        inputs: Audio files, folders, globs (``**`` for any depth), tables of files (.csv, .jsonl,
            .parquet), or URLs of any of these.

    Raises:
        DataError: An input does not exist, holds no audio, or is no table of files.
        MissingDependencyError: A URL's protocol needs a package.
    """
    groups = [group for name in inputs for group in _expand(local_path(name))]
    columns = tuple(dict.fromkeys(column for names, _ in groups for column in names))
    found: dict[str, Item] = {}
    named = 0
    for names, items in groups:
        places = [names.index(column) if column in names else None for column in columns]
        for item in items:
            named += 1
            extra = tuple(None if at is None else item.extra[at] for at in places)
            found.setdefault(printable(item.path), replace(item, extra=extra))
    # The last file to be heard should be a short one: nothing else runs beside it.
    longest_first = sorted(found.values(), key=lambda item: -(item.size or 0))
    return Corpus(tuple(longest_first), columns, named - len(found))


def _expand(name: str) -> Iterator[tuple[tuple[str, ...], list[Item]]]:
    """Yield groups of items with the columns that they share."""
    if is_remote(name):
        if Path(name.partition("::")[0]).suffix.lower() in LISTINGS and not glob.has_magic(name):
            yield _listed(name)
        else:
            yield (), [Item(url, size) for url, size in find_remote(name, AUDIO_SUFFIXES)]
        return
    path = Path(name)
    if path.is_dir():
        files = _walk(path)
        if not files:
            msg = f"folder {name} holds no audio ({', '.join(AUDIO_SUFFIXES)})"
            raise DataError(msg)
        yield (), [_local(file) for file in files]
    elif path.exists():
        yield from [_listed(name)] if path.suffix.lower() in LISTINGS else [((), [_local(name)])]
    elif glob.has_magic(name):
        matches = sorted(glob.glob(name, recursive=True))  # noqa: PTH207 (Path has no absolute globs)
        files = [match for match in matches if Path(match).is_file()]
        if not files:
            msg = f"no file matches {name}"
            raise DataError(msg)
        yield (), [_local(file) for file in files if Path(file).suffix.lower() not in LISTINGS]
        yield from (_listed(file) for file in files if Path(file).suffix.lower() in LISTINGS)
    else:
        msg = f"there is no file or folder {printable(name)}"
        raise DataError(msg)


def _walk(folder: Path) -> list[str]:
    found = []
    for parent, folders, names in os.walk(folder):
        folders.sort()
        found += [
            os.path.join(parent, name)  # noqa: PTH118 (a million of them)
            for name in sorted(names)
            if name.lower().endswith(AUDIO_SUFFIXES)
        ]
    return found


def _listed(name: str) -> tuple[tuple[str, ...], list[Item]]:
    columns, rows = read_listing(name)
    items = [
        Item(path, None, extra) if is_remote(path) else replace(_local(path), extra=extra)
        for path, extra in rows
    ]
    return columns, items


def _local(name: str) -> Item:
    path = os.path.abspath(name)  # noqa: PTH100 (a link stays the name that the user knows)
    try:
        size = os.stat(path).st_size  # noqa: PTH116 (as above)
    except (OSError, ValueError):
        return Item(path, None)
    return Item(path, size)
