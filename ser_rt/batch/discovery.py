"""Discovery of inputs: files, folders, globs, tables of files, and the same by URL."""

from __future__ import annotations

import glob
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ser_rt.audio.discovery import AUDIO_SUFFIXES, find_audio
from ser_rt.batch.listing import LISTINGS, read_listing, suffix_of
from ser_rt.batch.remote import clutter_in, find_remote, is_remote, local_path, name_in
from ser_rt.errors import DataError
from ser_rt.files.names import NameFinder, printable


@dataclass(frozen=True, slots=True)
class Item:
    """One recording to classify.

    Attributes:
        path: Absolute path, or URL.
        size: Bytes; None where it is not known.
        extra: Its other values in a table of files, one for each column.
    """

    path: str
    size: int | None
    extra: tuple[str | None, ...] = ()


@dataclass(frozen=True, slots=True)
class Corpus:
    """All recordings to classify, each once, the largest first as far as sizes are known.

    Attributes:
        items: The recordings.
        columns: Names of the values in each item's ``extra``, in their order.
        duplicates: How many more times files were named.
        passed_over: How much in folders and globs is no audio, by kind.
        remarks: The same in words, and which folders cannot be read.
    """

    items: tuple[Item, ...]
    columns: tuple[str, ...]
    duplicates: int
    passed_over: Mapping[str, int] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()


def find_inputs(inputs: Sequence[str]) -> Corpus:
    """Find every file that the inputs name.

    Of a file that several name, each value is of the first that has a column for it.

    Args:
        inputs: Audio files, folders, globs (``**`` for any depth), tables of files (.csv, .jsonl,
            .parquet), or URLs of any of these.

    Raises:
        DataError: An input does not exist, holds no audio, or is no table of files.
        MissingDependencyError: A URL's protocol needs a package.
    """
    skipped = _Skipped()
    groups = [group for name in inputs for group in _expand(local_path(name), skipped)]
    columns = tuple(sorted({column for names, _ in groups for column in names}))
    sizes: dict[str, int | None] = {}
    values: dict[str, dict[str, str | None]] = {}
    named = 0
    for names, items in groups:
        for item in items:
            named += 1
            if sizes.get(item.path) is None:
                sizes[item.path] = item.size
            given = dict(zip(names, item.extra, strict=True))
            values[item.path] = given | values.get(item.path, {})
    found = [Item(path, sizes[path], tuple(map(values[path].get, columns))) for path in sizes]
    # The last file should be a short one: nothing else runs beside it.
    longest_first = sorted(found, key=lambda item: -(item.size or 0))
    return Corpus(
        tuple(longest_first),
        columns,
        named - len(found),
        dict(skipped.passed_over),
        tuple(skipped.remarks),
    )


@dataclass
class _Skipped:
    """Files that are not audio, and remarks on them."""

    passed_over: Counter[str] = field(default_factory=Counter)
    remarks: list[str] = field(default_factory=list)


_Group = tuple[tuple[str, ...], list[Item]]


def _expand(name: str, skipped: _Skipped) -> Iterator[_Group]:
    """Yield groups of items with the columns that they share."""
    if is_remote(name):
        if suffix_of(name) in LISTINGS and not glob.has_magic(name_in(name)):
            yield _listed(name)
        else:
            yield from _grouped([Item(url, size) for url, size in _found_at(name, skipped)])
        return
    if not os.path.exists(name) and not glob.has_magic(name):  # noqa: PTH110 (a name may be too long)
        name = NameFinder().find(name)
    if os.path.isdir(name or os.curdir):  # noqa: PTH112 (as above)
        found = find_audio(name or os.curdir)
        skipped.passed_over.update(found.counts())
        skipped.remarks += found.remarks()
        if not found.audio:
            msg = f"folder {printable(name)} holds no audio ({', '.join(AUDIO_SUFFIXES)})"
            raise DataError("; ".join([msg, *found.remarks()]))
        yield (), [_local(file) for file in found.audio]
    elif os.path.exists(name):  # noqa: PTH110 (as above)
        yield from _grouped([_local(name)])
    elif glob.has_magic(name):
        files = _matches(name, skipped)
        if not files:
            msg = f"no file matches {printable(name)}"
            raise DataError(msg)
        yield from _grouped([_local(file) for file in files])
    else:
        msg = f"there is no file or folder {printable(name)}"
        raise DataError(msg)


def _grouped(files: list[Item]) -> Iterator[_Group]:
    """Yield the recordings among files, and what each table among them names."""
    yield (), [file for file in files if suffix_of(file.path) not in LISTINGS]
    yield from (_listed(file.path) for file in files if suffix_of(file.path) in LISTINGS)


def _matches(pattern: str, skipped: _Skipped) -> list[str]:
    """Return the files that a glob matches, without clutter."""
    files = []
    for match in sorted(glob.glob(pattern, recursive=True)):  # noqa: PTH207 (Path has no absolute globs)
        if Path(match).is_dir():
            continue
        if kind := clutter_in(Path(match).parts, Path(pattern).parts):
            skipped.passed_over[kind] += 1
        else:
            files.append(match)
    return files


def _found_at(url: str, skipped: _Skipped) -> list[tuple[str, int | None]]:
    passed_over: Counter[str] = Counter()
    found = list(find_remote(url, passed_over))
    skipped.passed_over.update(passed_over)
    if passed_over:
        counts = ", ".join(f"{count} {kind}" for kind, count in passed_over.items())
        skipped.remarks.append(f"{url}: passed over {counts}")
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
