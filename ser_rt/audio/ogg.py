"""Lengths of Ogg files (RFC 3533): several may follow each other, each with a rate of its own."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from ser_rt.audio.block import SourceWarning
from ser_rt.audio.part import Part
from ser_rt.audio.view import Bytes

_HEAD = 27
_BEGINS, _ENDS = 2, 4
_LONGEST_PAGE = 65_307
NO_END_MARK = SourceWarning("truncated", "it has no end mark: it may have been cut off")
_MIRRORED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def ogg_parts(file: Bytes, start: int) -> Iterator[Part]:
    """Yield the links of a chain whose first one begins at an offset."""
    at, begin, has_data, is_ended, missing, damaged = start, start, False, False, "", 0
    while at < file.size:
        page = file.at(at, _LONGEST_PAGE)
        if page[:4] != b"OggS":
            at = _next_page(file, at + 1)
            continue
        if len(page) < _HEAD or len(page) < _HEAD + page[26]:
            missing = "it breaks off within a page"
            break
        flags, size = page[5], _HEAD + page[26] + sum(page[_HEAD : _HEAD + page[26]])
        if flags & _BEGINS and has_data:
            yield Part(begin, at, warnings=_warnings(damaged, is_ended=True))
            begin, has_data, is_ended, damaged = at, False, False, 0
        if at + size > file.size:
            missing = "it breaks off within a page"
        elif not _is_sound(page[:size]):
            damaged += 1
            at = _next_page(file, at + 1)  # its size may be wrong
            continue
        has_data |= not flags & _BEGINS
        is_ended |= bool(flags & _ENDS)
        at += size
    if damaged and not is_ended:
        missing = missing or "its last pages are damaged"
    warnings = _warnings(damaged, is_ended=is_ended or bool(missing))
    yield Part(begin, file.size, missing=missing, warnings=warnings)


def _warnings(damaged: int, *, is_ended: bool) -> tuple[SourceWarning, ...]:
    if damaged:
        return (SourceWarning("damaged", f"{damaged} of its pages are damaged, and not heard"),)
    if is_ended:
        return ()
    return (NO_END_MARK,)


def _is_sound(page: bytes) -> bool:
    """Return whether a page is as it was written, by its check sum.

    Ogg's CRC-32 begins with 0 and takes the highest bits first; zlib's is its mirror image.
    """
    plain = page[:22] + b"\0\0\0\0" + page[26:]
    mirrored = zlib.crc32(plain.translate(_MIRRORED), 0xFFFF_FFFF) ^ 0xFFFF_FFFF
    return int(f"{mirrored:032b}"[::-1], 2) == int.from_bytes(page[22:26], "little")


def _next_page(file: Bytes, at: int) -> int:
    """Return the offset of the next page, past damage."""
    while at < file.size:
        data = file.at(at, _LONGEST_PAGE)
        found = data.find(b"OggS")
        if found >= 0:
            return at + found
        at += max(1, len(data) - 3)
    return file.size
