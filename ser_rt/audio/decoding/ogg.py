"""Lengths of Ogg files (RFC 3533): several may follow each other, each with a rate of its own."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from ser_rt.audio.block import SourceWarning
from ser_rt.audio.decoding.part import Part
from ser_rt.audio.decoding.view import Bytes

_HEAD = 27
_BEGINS, _ENDS = 2, 4
_LONGEST_PAGE = 65_307
_LATEST_S = 10.0
"""The first page of a whole recording ends before."""

NO_END_MARK = SourceWarning("truncated", "it has no end mark: it may have been cut off")
_MIRRORED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def ogg_parts(file: Bytes, start: int) -> Iterator[Part]:
    """Yield the links of a chain whose first one begins at an offset."""
    at, begin, has_data, is_ended, missing, damaged = start, start, False, False, "", 0
    clock, last_s = _Clock(b""), None
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
            promised_s = last_s if damaged else None
            warnings = _warnings(damaged, is_ended=True)
            yield Part(begin, at, promised_s=promised_s, warnings=warnings)
            begin, has_data, is_ended, damaged, last_s = at, False, False, 0, None
        if at + size > file.size:
            missing = "it breaks off within a page"
        elif not _is_sound(page[:size]):
            damaged += 1
            at = _next_page(file, at + 1)  # its size may be wrong
            continue
        if flags & _BEGINS:
            clock = _Clock(page[_HEAD + page[26] :])
        last_s = clock.seconds(page) or last_s
        has_data |= not flags & _BEGINS
        is_ended |= bool(flags & _ENDS)
        at += size
    if damaged and not is_ended:
        missing = missing or "its last pages are damaged"
    warnings = _warnings(damaged, is_ended=is_ended or bool(missing))
    # FFmpeg gives the last page no time of its own: what is lost before it would go unseen.
    promised_s = last_s if damaged else None
    yield Part(begin, file.size, promised_s=promised_s, missing=missing, warnings=warnings)


class _Clock:
    """Times of pages, by the first page of their stream: its codec counts samples of a rate."""

    def __init__(self, head: bytes) -> None:
        self._rate = self._skipped = 0
        if head.startswith(b"OpusHead"):  # RFC 7845: 48 kHz, and a pre-skip
            self._rate, self._skipped = 48_000, int.from_bytes(head[10:12], "little")
        elif head.startswith(b"\x01vorbis"):
            self._rate = int.from_bytes(head[12:16], "little")
        self._is_begun = self._is_late = False

    def seconds(self, page: bytes) -> float | None:
        """Return when a page ends, None where nobody says; not in a piece of a broadcast."""
        count = int.from_bytes(page[6:14], "little", signed=True) - self._skipped
        if self._rate <= 0 or count <= 0:
            return None
        self._is_late |= not self._is_begun and count > _LATEST_S * self._rate
        self._is_begun = True
        return None if self._is_late else count / self._rate


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
