"""Lengths of AVI files: damaged chunks are found, and the loss is known by the header."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from ser_rt.audio.block import SourceWarning
from ser_rt.audio.decoding.begins import begins_behind
from ser_rt.audio.decoding.part import CUT_OFF, Part
from ser_rt.audio.decoding.view import Bytes

HEAD_BYTES = 4096
_LISTS = (b"RIFF", b"LIST")
_LONGEST = 1 << 31

DAMAGED = SourceWarning("damaged", "some of its chunks are damaged, and left out")


def chunk_bytes(head: bytes) -> int:
    """Return the bytes to the next chunk from the one that begins so; 0 if it is none."""
    if head[:4] in _LISTS:
        return 12  # chunks are within it
    size = int.from_bytes(head[4:8], "little")
    is_name = len(head) >= 8 and all(0x20 <= byte < 0x7F for byte in head[:4])
    return 8 + size + size % 2 if is_name and size < _LONGEST else 0


def stated_end(head: bytes) -> int:
    """Return the length of the file's first list, which is all of most files."""
    return 8 + int.from_bytes(head[4:8], "little")


def stated_s(head: bytes) -> float | None:
    """Return the duration of the first audio track by the header, None if it gives none."""
    at = head.find(b"auds", head.find(b"strh"))
    if not 0 <= at <= len(head) - 36:
        return None
    scale, rate, _, length = struct.unpack("<4I", head[at + 20 : at + 36])
    return length * scale / rate if rate and scale and length else None


def avi_parts(file: Bytes, start: int) -> Iterator[Part]:
    """Yield the recording of an AVI file that begins at an offset."""
    at, missing = start, ""
    while len(head := file.at(at, 12)) == 12 and head[:4] == b"RIFF" and head[8:11] == b"AVI":
        size = struct.unpack("<I", head[4:8])[0]
        at += 8 + size + size % 2
        missing = CUT_OFF if file.size < at - 1 and size else ""
    other = None if missing else begins_behind(file, at, file.size)
    end = file.size if other is None else other
    if not missing and file.is_near and _is_damaged(file, start, min(at, file.size)):
        promised_s = stated_s(file.at(start, HEAD_BYTES))
        yield Part(start, end, promised_s=promised_s, warnings=(DAMAGED,))
    else:
        yield Part(start, end, missing=missing)


def _is_damaged(file: Bytes, at: int, end: int) -> bool:
    """Return whether something between two offsets is no chunk."""
    while at < end - 8:
        size = chunk_bytes(file.at(at, 8))
        if not size:
            return True
        at += size
    return at > end + 1
