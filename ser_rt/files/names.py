"""Names of files: printable forms, and a search for names in another Unicode form."""

from __future__ import annotations

import os
import re
import unicodedata

_UNSHOWABLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u2028\u2029"  # control characters and ends of lines
    "\u202a-\u202e\u2066-\u2069"  # reversal of text direction
    "\ud800-\udfff]"  # bytes that are not UTF-8, as Python represents them
)


def printable(name: str | os.PathLike[str]) -> str:
    r"""Return a printable name: control characters, and bytes that are not UTF-8, are escaped.

    >>> printable(os.fsdecode(b"\xb0\xa8.wav")), printable("two\nlines.wav"), printable("감정.wav")
    ('\\udcb0\\udca8.wav', 'two\\nlines.wav', '감정.wav')
    """
    return _UNSHOWABLE.sub(_escaped, os.fspath(name))


def printable_lines(text: str) -> str:
    """Return a text with names in printable form; line feeds and tabs stay."""
    return _UNSHOWABLE.sub(lambda found: found[0] if found[0] in "\n\t" else _escaped(found), text)


def _escaped(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode()


def encodable(path: str | os.PathLike[str]) -> str | bytes:
    """Return a path for libraries that encode names themselves, and fail for some of them."""
    return os.fspath(path) if os.name == "nt" else os.fsencode(path)


class NameFinder:
    r"""Finds files whose names differ between a table and the disk.

    A name may be composed differently (NFC, NFD: a Mac's and everybody else's), be escaped as
    `printable` does it, have spaces around it, or backslashes of Windows between its parts. One
    that is there as it is written is always that file, and of several others none is.
    """

    def __init__(self) -> None:
        self._listings: dict[str, dict[str, list[str]]] = {}

    def find(self, path: str) -> str:
        """Return the path of the matching file; without one, the path as it is."""
        if os.path.lexists(path):
            return path
        found = self._among(path)
        if "\\" in path and not os.path.lexists(found):
            other = self._among(path.replace("\\", "/"))
            found = other if os.path.lexists(other) else path
        return found

    def _among(self, path: str) -> str:
        if os.path.lexists(path):
            return path
        parent, name = os.path.split(path)
        if parent == path or not name:
            return path
        folder = self._among(parent) if parent else ""
        alike = self._listing(folder or os.curdir).get(_key(name), [])
        return os.path.join(folder, alike[0]) if len(alike) == 1 else path  # noqa: PTH118 (a str)

    def _listing(self, folder: str) -> dict[str, list[str]]:
        if folder not in self._listings:
            listing: dict[str, list[str]] = {}
            try:
                for name in os.listdir(folder):  # noqa: PTH208 (names alone)
                    listing.setdefault(_key(name), []).append(name)
            except (OSError, ValueError):
                listing = {}
            self._listings[folder] = listing
        return self._listings[folder]


def _key(name: str) -> str:
    return unicodedata.normalize("NFC", printable(name).strip())
