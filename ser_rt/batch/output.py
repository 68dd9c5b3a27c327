"""`Output`: the folder that a batch writes, sets of Parquet files, each set whole or absent.

    OUT/windows/part-000001.parquet    one row a window
    OUT/turns/part-000001.parquet      one row a turn, where turns are wanted
    OUT/files/part-000001.parquet      one row a file; written last, it makes the set count
    OUT/summary.json                   after a run; there is none while the others change

The files that are done are those in ``files/``; there is no other record that could disagree.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import filelock
import pyarrow as pa
import pyarrow.compute as pc

from ser_rt.batch.classify_file import FileResult
from ser_rt.batch.identity import Identity, difference
from ser_rt.batch.parts import (
    SUMMARY,
    foreign_in,
    name_of,
    names_in,
    number_of,
    read_metadata,
    read_part,
    unfinished_in,
    write_part,
)
from ser_rt.batch.tables import (
    MANIFEST_PREFIX,
    More,
    files_schema,
    turns_schema,
    unpacked,
    windows_schema,
)
from ser_rt.errors import OutputError
from ser_rt.files.names import printable
from ser_rt.files.writing import sync

_KEY = b"ser_rt"
_REPLACES = b"ser_rt_replaces"
_DETAILS = ("windows", "turns")
_ROWS, _FILES = 200_000, 2_000
"""A set is written at the latest when it holds so many windows or files."""


class Output:
    """A folder of results. One process at a time writes to it.

    Raises:
        OutputError: Another process writes to it, it cannot be written or read, it holds
            something else, or it was made with another model or other settings (on entering).
    """

    def __init__(
        self,
        folder: str | Path,
        identity: Identity,
        *,
        commit_every_s: float = 30.0,
        overwrite: bool = False,
    ) -> None:
        self.folder, self._identity = Path(folder), identity
        self._commit_every_s, self._overwrite = commit_every_s, overwrite
        self._files = self.folder / "files"
        metadata = {_KEY: identity.to_json()}
        labels = identity.labels
        more = More(
            tuple(identity.settings.get("dimensions", ())),
            bool(identity.settings.get("embedding")),
        )
        details = {"windows": windows_schema(labels, more)}
        if identity.settings.get("turns"):
            details["turns"] = turns_schema(labels, more)
        self._details = {
            self.folder / name: schema.with_metadata(metadata) for name, schema in details.items()
        }
        self._files_schema = files_schema(labels, identity.columns).with_metadata(metadata)
        self._lock = filelock.FileLock(self.folder / ".lock", timeout=0)
        self._rows: list[dict[str, Any]] = []
        self._tables: list[list[pa.Table]] = []
        self._count = self._next = 0
        self._committed_at = time.monotonic()
        self.done: set[str] = set()

    def __enter__(self) -> Self:
        with self._translated():
            self._refuse_foreign()
            for folder in (*self._details, self._files):
                folder.mkdir(parents=True, exist_ok=True)
            self._lock.acquire()
            try:
                self._recover()
            except BaseException:
                self._lock.release()
                raise
        return self

    def __exit__(self, *exc_info: object) -> None:
        try:
            self.commit()
        finally:
            self._lock.release()

    def add(self, result: FileResult, extra: Sequence[str | None] = ()) -> None:
        """Add the result of a file, and its values in a table of files."""
        row = dict(result.file)
        if row["path"] in self.done:
            return
        self.done.add(row["path"])
        names = (MANIFEST_PREFIX + column for column in self._identity.columns)
        row |= dict(zip(names, extra, strict=True))
        found = zip((result.windows, result.turns), self._details.values(), strict=False)
        # A file that failed before a model was there has no columns that depend on it.
        tables = [
            table if packed is not None and len(table := unpacked(packed)) else schema.empty_table()
            for packed, schema in found
        ]
        self._rows.append(row)
        self._tables.append(tables)
        self._count += len(tables[0])
        is_due = time.monotonic() - self._committed_at >= self._commit_every_s
        if is_due or self._count >= _ROWS or len(self._rows) >= _FILES:
            self.commit()

    def commit(self) -> None:
        """Write the results since the last set.

        Raises:
            OutputError: It cannot be written; then none of it counts.
        """
        if self._rows:
            rows, tables = self._rows, self._tables
            self._rows, self._tables, self._count = [], [], 0
            details = [
                pa.concat_tables(table.cast(schema) for table in some)
                for some, schema in zip(
                    zip(*tables, strict=True), self._details.values(), strict=True
                )
            ]
            try:
                with self._translated():
                    self._put_set(details, pa.Table.from_pylist(rows, self._files_schema))
            except BaseException:
                self.done.difference_update(row["path"] for row in rows)
                raise
        self._committed_at = time.monotonic()

    def begin(self) -> None:
        """Remove the summary: it says nothing of what is about to change."""
        with self._translated():
            summary = self.folder / SUMMARY
            if summary.exists():
                summary.unlink()
                sync(self.folder)

    def forget_errors(self, paths: Iterable[str]) -> int:
        """Remove the rows of these files that have an error; return their number.

        A set that holds some is replaced by one without; killed in between, `_recover` goes on.
        """
        forgotten, named = 0, pa.array(paths, pa.string())
        with self._translated():
            for name in names_in(self._files):
                files = read_part(self._files / name, self._files_schema)
                is_bad = pc.and_(pc.is_valid(files["error_code"]), pc.is_in(files["path"], named))
                bad = files.filter(is_bad)["path"]
                if not len(bad):
                    continue
                self.begin()
                kept = []
                for folder, schema in self._details.items():
                    rows = read_part(folder / name, schema)
                    kept.append(rows.filter(pc.invert(pc.is_in(rows["path"], bad))))
                self._put_set(kept, files.filter(pc.invert(is_bad)), replaces=name)
                self._remove_set(name)
                self.done -= set(bad.to_pylist())
                forgotten += len(bad)
        return forgotten

    def _recover(self) -> None:
        for folder in (*self._details, self._files):
            for path in unfinished_in(folder):
                path.unlink()
        parts = names_in(self._files)
        self._next = max(map(number_of, parts), default=0) + 1
        if self._overwrite:
            self.begin()
            for name in parts:
                (self._files / name).unlink()
            parts = []
        self._drop_all_but(parts)
        metadata = {name: read_metadata(self._files / name) for name in parts}
        for held in metadata.values():
            replaced = held.get(_REPLACES, b"").decode()
            if replaced in parts:
                self._remove_set(replaced)
                parts.remove(replaced)
        for name in parts:
            self._check(name, metadata[name])
            paths = read_part(self._files / name, self._files_schema, columns=["path"])
            self.done.update(paths["path"].to_pylist())

    def _drop_all_but(self, parts: Sequence[str]) -> None:
        """Remove the details of files that do not count: a run was killed, or begins again."""
        for folder in (self.folder / name for name in _DETAILS):
            for name in names_in(folder):
                if name not in parts:
                    (folder / name).unlink()

    def _check(self, name: str, metadata: Mapping[bytes, bytes]) -> None:
        found = Identity.from_json(metadata.get(_KEY, b"{}"))
        if differs := difference(found, self._identity):
            msg = (
                f"{printable(self.folder)} was made with {differs}; "
                "choose another --out, or give --overwrite to begin again"
            )
            raise OutputError(msg)
        for folder in self._details:
            if not (folder / name).is_file():
                msg = f"{printable(folder / name)} is missing; give --overwrite to begin again"
                raise OutputError(msg)

    def _refuse_foreign(self) -> None:
        foreign = sorted(foreign_in(self.folder, {*_DETAILS, "files"}))
        if foreign:
            name = printable(foreign[0].relative_to(self.folder))
            msg = (
                f"{printable(self.folder)} holds {name}, which no ser-batch wrote; "
                "choose another --out"
            )
            raise OutputError(msg)

    def _put_set(self, details: Sequence[pa.Table], files: pa.Table, replaces: str = "") -> None:
        name = name_of(self._next)
        self._next += 1
        for table, folder in zip(details, self._details, strict=True):
            write_part(table, folder / name)
        if replaces:
            metadata = {**files.schema.metadata, _REPLACES: replaces.encode()}
            files = files.replace_schema_metadata(metadata)
        write_part(files, self._files / name)

    def _remove_set(self, name: str) -> None:
        for folder in (self._files, *self._details):
            (folder / name).unlink(missing_ok=True)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Translate errors of the disk, of Arrow and of the lock."""
        where = printable(self.folder)
        try:
            yield
        except OutputError:
            raise
        except filelock.Timeout as error:
            msg = f"another run writes to {where}; wait for it, or choose another --out"
            raise OutputError(msg) from error
        except (OSError, pa.ArrowException) as error:
            why = getattr(error, "strerror", None) or " ".join(str(error).split())
            msg = f"the output {where} cannot be written or read: {why}"
            raise OutputError(msg) from error
