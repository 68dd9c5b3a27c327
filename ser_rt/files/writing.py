"""Atomic writes: files and folders that are replaced whole or not at all, and JSON."""

from __future__ import annotations

import json
import math
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from ser_rt.errors import OutputError
from ser_rt.files.names import printable
from ser_rt.files.outputs import STANDARD_OUTPUT, is_special


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Yield a new file, which replaces ``path`` at the end, and survives a power failure.

    A link stays, and what it points to is replaced. An exception inside, as from a full disk,
    leaves all as it was.

    Raises:
        OSError: It cannot be written.
    """
    path = _linked(path)
    # A name may have 255 bytes, and another process may write the same file.
    partial = path.with_name(f".{path.name[:40]}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        with suppress(OSError):  # what was private stays so
            shutil.copymode(path, partial)
        partial.replace(path)
    except BaseException:
        with suppress(OSError):
            partial.unlink()
        raise
    sync(path.parent)


@contextmanager
def replacing_folder(folder: Path) -> Iterator[Path]:
    """Yield an empty folder, which replaces ``folder`` at the end.

    A link stays, and what it points to is replaced. An exception inside leaves all as it was.

    Raises:
        OSError: It cannot be written.
    """
    folder = _linked(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(
        prefix=f".{folder.name[:40]}.", dir=folder.parent
    ) as temporary:
        fresh, old = Path(temporary) / "new", Path(temporary) / "old"
        fresh.mkdir()
        yield fresh
        for path in fresh.rglob("*"):
            sync(path)
        if folder.exists():
            folder.rename(old)
        try:
            fresh.rename(folder)
        except OSError:
            if old.exists():
                old.rename(folder)
            raise
        sync(folder.parent)


def _linked(path: Path) -> Path:
    """Return what a link points to; all else as it is."""
    return Path(os.path.realpath(path)) if path.is_symlink() else path


def sync(path: Path) -> None:
    """Flush a file or a folder to the disk; Windows has no call for folders."""
    if hasattr(os, "O_DIRECTORY"):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def check_writable(path: str | Path) -> None:
    """Find out whether `write_bytes` could write a file, before the work that fills it.

    Raises:
        OutputError: There is no permission to, or a part of its name is no folder.
    """
    target = Path(os.path.realpath(path))
    if str(path) == STANDARD_OUTPUT or is_special(target):
        return
    folder = next(parent for parent in target.parents if parent.exists())
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        why = "may not be written to" if folder.is_dir() else "is no folder"
        msg = f"cannot write {printable(path)}: {printable(folder)} {why}"
        raise OutputError(msg)


def write_bytes(path: str | Path, content: bytes) -> Path:
    """Write a file whole or not at all, making its folder; ``-`` is standard output.

    A link is followed. A pipe or a device is written to directly.

    Raises:
        OutputError: It cannot be written; what was there before is still there.
    """
    if str(path) == STANDARD_OUTPUT:
        _print(content)
        return Path(path)
    target = Path(path)
    try:
        if is_special(target):
            with target.open("ab") as file:
                file.write(content)
            return target
        target = _linked(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        with replacing(target) as file:
            file.write(content)
    except OSError as error:
        msg = f"cannot write {printable(target)}: {error.strerror}"
        raise OutputError(msg) from error
    return target


def write_text(path: str | Path, text: str) -> Path:
    """Write text as UTF-8, as `write_bytes` does; lone surrogates are escaped."""
    return write_bytes(path, text.encode("utf-8", "backslashreplace"))


def _print(content: bytes) -> None:
    if not hasattr(sys.stdout, "buffer"):  # text in memory
        sys.stdout.write(content.decode("utf-8", "backslashreplace"))
        return
    sys.stdout.flush()
    sys.stdout.buffer.write(content)
    sys.stdout.buffer.flush()


def write_json(value: object, path: str | Path | None = None) -> None:
    """Write JSON to a file, or print it; NaN and infinity, which JSON lacks, become null.

    Raises:
        OutputError: It cannot be written.
    """
    path = STANDARD_OUTPUT if path is None else path
    encoding = "utf-8" if str(path) != STANDARD_OUTPUT else sys.stdout.encoding or "utf-8"
    plain = encoding.lower() not in {"utf-8", "utf8"}
    text = json.dumps(_finite(value), indent=2, ensure_ascii=plain, allow_nan=False)
    # Text of a caller may hold lone surrogates: JSON can carry them only escaped.
    write_text(path, text + "\n")


def _finite(value: object) -> object:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return value
