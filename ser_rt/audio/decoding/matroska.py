"""Lengths of Matroska and WebM files (RFC 8794, RFC 9559): elements with their sizes."""

from __future__ import annotations

from collections.abc import Iterator

from ser_rt.audio.decoding.begins import begins_behind
from ser_rt.audio.decoding.part import CUT_OFF, Part
from ser_rt.audio.decoding.view import Bytes

EBML = b"\x1a\x45\xdf\xa3"
SEGMENT = b"\x18\x53\x80\x67"
CLUSTER = b"\x1f\x43\xb6\x75"
ELEMENTS = {CLUSTER, b"\xa3", b"\xa0", b"\x1c\x53\xbb\x6b", b"\x12\x54\xc3\x67", b"\xe7", b"\xec"}
"""Clusters, their contents, and the elements that may follow them."""

MASTERS = {SEGMENT, CLUSTER}
"""Elements that other elements of these are in."""

_OTHERS = "bf a7 ab af 5854 114d9b74 1549a966 1654ae6b 1043a770 1941a469"
KNOWN = MASTERS | ELEMENTS | {EBML} | {bytes.fromhex(name) for name in _OTHERS.split()}
"""All elements that stand in a segment or cluster: any other one is damage."""

BREAKS_OFF = "it breaks off within a block"
LOST_BLOCKS = "its last blocks are damaged"


def element_size(data: bytes, at: int) -> tuple[int | None, int]:
    """Return an EBML size, None if it is unknown, and the offset behind it (RFC 8794)."""
    if not data or not data[0]:
        return None, at + 1
    length = 9 - data[0].bit_length()
    value = int.from_bytes(data[:length], "big") & (1 << 7 * length) - 1
    return (None if value == (1 << 7 * length) - 1 else value), at + length


def stated_end(head: bytes) -> int | None:
    """Return the length of a file by its first bytes, None if they do not give it."""
    header, at = element_size(head[4:12], 4)
    segment = at + (header or 0)
    size, body = element_size(head[segment + 4 : segment + 12], segment + 4)
    return None if size is None or head[segment : segment + 4] != SEGMENT else body + size


def matroska_parts(file: Bytes, start: int) -> Iterator[Part]:
    """Yield the recordings that follow each other from an offset on."""
    while start < file.size:
        header, at = element_size(file.at(start + 4, 8), start + 4)
        segment = at + (header or 0)
        end, missing, body = None, "", segment
        if file.at(segment, 4) == SEGMENT:
            size, body = element_size(file.at(segment + 4, 8), segment + 4)
            if size is not None:
                end = body + size
                missing = CUT_OFF if end > file.size else ""
        is_unknown = end is None
        other = None if end is None else begins_behind(file, end, file.size)
        if other is not None:
            end = other
        elif end is None or end < file.size:
            end = file.find(EBML, start + 4)
            while not _is_beginning(file.at(end, 64)) and end < file.size:
                end = file.find(EBML, end + 1)
        if is_unknown:
            missing = _fault_at_end(file, body, end)
        yield Part(start, min(end, file.size), missing=missing)
        if file.at(end, 4) != EBML:
            return
        start = end


def _is_beginning(head: bytes) -> bool:
    return b"webm" in head or b"matroska" in head


def _fault_at_end(file: Bytes, at: int, end: int) -> str:
    """Return the fault at the end of a segment of unknown size; empty if there is none."""
    name = b""
    while at < end:
        head = file.at(at, 12)
        name_bytes = 9 - head[0].bit_length()
        name, sizes = head[:name_bytes], head[name_bytes:]
        if name == EBML:
            return ""
        if name not in KNOWN:
            is_padding = not file.at(at, 4096).strip(b"\0")
            at = file.find(CLUSTER, at)
            if at >= end:
                return "" if is_padding else LOST_BLOCKS
            continue
        if not sizes:
            return BREAKS_OFF
        size, body = element_size(sizes, at + name_bytes)
        at = body if size is None else body + size
    return BREAKS_OFF if at > end and name in ELEMENTS else ""
