"""Lengths of Ogg files (RFC 3533): several may follow each other, each with a rate of its own."""

from __future__ import annotations

from collections.abc import Iterator

from ser_rt.audio.part import Part
from ser_rt.audio.view import Bytes

_HEAD = 27
_BEGINS, _ENDS = 2, 4
_LONGEST_PAGE = 65_307


def ogg_parts(file: Bytes, start: int) -> Iterator[Part]:
    """Yield the links of a chain whose first one begins at an offset."""
    at, begin, has_data, is_ended, missing = start, start, False, False, ""
    while at < file.size:
        head = file.at(at, _HEAD + 255)
        if head[:4] != b"OggS":
            at = _next_page(file, at + 1)
            continue
        if len(head) < _HEAD or len(head) < _HEAD + head[26]:
            missing = "it breaks off within a page"
            break
        flags, size = head[5], _HEAD + head[26] + sum(head[_HEAD : _HEAD + head[26]])
        if flags & _BEGINS and has_data:
            yield Part(begin, at)
            begin, has_data, is_ended = at, False, False
        has_data |= not flags & _BEGINS
        is_ended |= bool(flags & _ENDS)
        if at + size > file.size:
            missing = "it breaks off within a page"
        at += size
    note = "" if is_ended or missing else "it has no end mark: it may have been cut off"
    yield Part(begin, file.size, missing=missing, note=note)


def _next_page(file: Bytes, at: int) -> int:
    """Return the offset of the next page, past damage."""
    while at < file.size:
        data = file.at(at, _LONGEST_PAGE)
        found = data.find(b"OggS")
        if found >= 0:
            return at + found
        at += max(1, len(data) - 3)
    return file.size
