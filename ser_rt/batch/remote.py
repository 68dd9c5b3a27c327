"""Files elsewhere, through fsspec: object stores, web servers, archives."""

from __future__ import annotations

import os
import posixpath
import re
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast
from urllib.parse import unquote

from ser_rt.audio.discovery import AUDIO_SUFFIXES, OTHER, kind_of_clutter
from ser_rt.errors import AudioError, AudioNotFoundError, DataError, MissingDependencyError

_LOCAL = "file://"
_WEB = ("http://", "https://")
_LONGEST_SUFFIX = 16


class FetchError(AudioError, OSError):
    """A remote file could not be fetched."""


def is_remote(name: str) -> bool:
    """Return whether a name is a URL, and not of a local file."""
    return "://" in name and not name.startswith(_LOCAL)


def local_path(name: str) -> str:
    """Return the path of a ``file://`` URL, quoted or not; any other name as it is."""
    if not name.startswith(_LOCAL) or os.path.lexists(path := name.removeprefix(_LOCAL)):
        return name.removeprefix(_LOCAL)
    return unquote(path)


def beside(listing: str, path: str) -> str:
    """Return a path that starts where a table of files is."""
    if not is_remote(listing):
        return str(Path(listing).parent / path)
    _, chain, rest = listing.partition("::")
    return posixpath.join(posixpath.dirname(name_in(listing)), path) + chain + rest


def name_in(url: str) -> str:
    """Return a URL without the query of a web address, and without what it is chained to.

    >>> name_in("https://x.test/calls/a.wav?X-Amz-Signature=9f/2c")
    'https://x.test/calls/a.wav'
    """
    first = url.partition("::")[0]
    return re.split("[?#]", first, maxsplit=1)[0] if first.startswith(_WEB) else first


def find_remote(url: str, passed_over: Counter[str]) -> Iterator[tuple[str, int | None]]:
    """Yield URL and size in bytes of each file that a URL names: a file, a folder or a glob.

    Files of a folder that are not audio are counted in ``passed_over``, by kind.

    Raises:
        DataError: There is none, or the store does not answer.
        MissingDependencyError: The protocol needs a package.
    """
    import fsspec.core

    filesystem, path = _open(url)
    _, chain, rest = url.partition("::")
    try:
        if fsspec.core.has_magic(name_in(url)):
            found = filesystem.glob(path, detail=True)
            files = {name: info for name, info in found.items() if info["type"] == "file"}
        elif filesystem.isdir(path):
            found = filesystem.find(path, detail=True)
            kinds = {name: _kind(name, path) for name in found}
            files = {name: info for name, info in found.items() if kinds[name] is None}
            passed_over.update(filter(None, kinds.values()))
        else:
            files = {path: filesystem.info(path)}
    except Exception as error:  # each store has its own
        msg = f"{url} cannot be listed: {_one_line(error)}"
        raise DataError(msg) from error
    if not files:
        msg = f"{url} holds no audio ({', '.join(AUDIO_SUFFIXES)})"
        raise DataError(msg)
    for name in sorted(files):
        yield filesystem.unstrip_protocol(name) + chain + rest, files[name].get("size")


def open_remote(url: str) -> IO[bytes]:
    """Open a remote file to read.

    Raises:
        DataError: It does not open.
    """
    filesystem, path = _open(url)
    try:
        return cast("IO[bytes]", filesystem.open(path, "rb"))
    except Exception as error:  # each store has its own
        msg = f"{url} cannot be read: {_one_line(error)}"
        raise DataError(msg) from error


@contextmanager
def fetched(path: str) -> Iterator[str]:
    """Yield a path that decoders can open; for a remote file, that of a temporary copy.

    Raises:
        AudioNotFoundError: There is no such remote file.
        FetchError: It could not be fetched.
    """
    if not is_remote(path):
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="ser-batch-") as folder:
        suffix = Path(name_in(path)).suffix
        copy = Path(folder, "audio" + suffix * (len(suffix) <= _LONGEST_SUFFIX))
        _fetch(path, str(copy))
        yield str(copy)


def _fetch(url: str, copy: str) -> None:
    try:
        filesystem, name = _open(url)
        filesystem.get_file(name, copy)
    except FileNotFoundError as error:
        msg = f"there is no {url}"
        raise AudioNotFoundError(msg) from error
    except Exception as error:  # each store has its own
        msg = f"{url} could not be fetched: {_one_line(error)}"
        raise FetchError(msg) from error


def _open(url: str) -> tuple[Any, str]:
    import fsspec.core

    try:
        found: tuple[Any, str] = fsspec.core.url_to_fs(url)
    except ImportError as error:
        msg = f"{url} needs another package: {_one_line(error)}"
        raise MissingDependencyError(msg) from error
    except Exception as error:  # unknown protocols, bad settings, no network
        msg = f"{url} does not open: {_one_line(error)}"
        raise DataError(msg) from error
    return found


def _kind(name: str, folder: str) -> str | None:
    """Return the kind of a file that is not audio, else None."""
    parts = name.removeprefix(folder).split("/")
    if clutter := next(filter(None, map(kind_of_clutter, parts)), None):
        return clutter
    return None if name.lower().endswith(AUDIO_SUFFIXES) else OTHER


def _one_line(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]
