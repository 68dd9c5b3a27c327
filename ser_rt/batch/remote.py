"""Files elsewhere, through fsspec: object stores, web servers, archives."""

from __future__ import annotations

import os
import posixpath
import re
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
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
    """Return a path that starts where a table of files is.

    >>> beside("s3://bucket/lists/clips.csv", "../calls/a.wav")
    's3://bucket/calls/a.wav'
    """
    if not is_remote(listing):
        return str(Path(listing).parent / path)
    _, chain, rest = listing.partition("::")
    url = posixpath.join(posixpath.dirname(name_in(listing)), path)
    if ".." in path.split("/"):  # stores have names, not folders
        protocol, mark, name = url.partition("://")
        url = protocol + mark + posixpath.normpath(name)
    return url + chain + rest


def name_in(url: str) -> str:
    """Return a URL without the query of a web address, and without what it is chained to.

    >>> name_in("https://x.test/calls/a.wav?X-Amz-Signature=9f/2c")
    'https://x.test/calls/a.wav'
    """
    first = url.partition("::")[0]
    return re.split("[?#]", first, maxsplit=1)[0] if first.startswith(_WEB) else first


def clutter_in(parts: Iterable[str], pattern: Iterable[str] = ()) -> str | None:
    """Return the kind of clutter that a path is; what its pattern names is none.

    >>> clutter_in(("__MACOSX", "a.wav")), clutter_in(("__MACOSX", "a.wav"), ("__MACOSX", "*"))
    ('of a system', None)
    """
    named = set(pattern)
    return next(filter(None, (kind_of_clutter(part) for part in parts if part not in named)), None)


def find_remote(url: str, passed_over: Counter[str]) -> Iterator[tuple[str, int | None]]:
    """Yield URL and size in bytes of each file that a URL names: a file, a folder or a glob.

    Files of a folder that are not audio, and clutter, are counted in ``passed_over``, by kind.

    Raises:
        DataError: There is none, or the store does not answer.
        MissingDependencyError: The protocol needs a package.
    """
    import fsspec.core

    filesystem, path = _open(url)
    _, chain, rest = url.partition("::")
    try:
        is_glob = fsspec.core.has_magic(name_in(url))
        if is_glob and "*" not in path:  # names have brackets, too
            is_glob = not filesystem.exists(path)
        if is_glob:
            found = filesystem.glob(path, detail=True)
            found = {name: info for name, info in found.items() if info["type"] == "file"}
            kinds = {name: clutter_in(name.split("/"), path.split("/")) for name in found}
        elif filesystem.isdir(path):
            found = filesystem.find(path, detail=True)
            kinds = {name: _kind(name, path) for name in found}
        else:
            found, kinds = {path: filesystem.info(path)}, {path: None}
    except Exception as error:  # each store has its own
        msg = f"{url} cannot be listed: {_one_line(error)}"
        raise DataError(msg) from error
    passed_over.update(filter(None, kinds.values()))
    files = {name: info for name, info in found.items() if kinds[name] is None}
    if not files:
        trouble = "matches no file" if is_glob else f"holds no audio ({', '.join(AUDIO_SUFFIXES)})"
        msg = f"{url} {trouble}"
        raise DataError(msg)
    for name in sorted(files):
        yield filesystem.unstrip_protocol(name) + chain + rest, files[name].get("size")


def read_remote(url: str) -> bytes:
    """Return the content of a remote file.

    Raises:
        DataError: It cannot be read.
    """
    filesystem, path = _open(url)
    try:
        content: bytes = filesystem.cat_file(path)
    except Exception as error:  # each store has its own
        msg = f"{url} cannot be read: {_one_line(error)}"
        raise DataError(msg) from error
    return content


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
    except MissingDependencyError:  # the file is not at fault
        raise
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
    if clutter := clutter_in(name.removeprefix(folder).split("/")):
        return clutter
    return None if name.lower().endswith(AUDIO_SUFFIXES) else OTHER


def _one_line(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]
