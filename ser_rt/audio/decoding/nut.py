"""Lengths of NUT files, which end with an index (https://ffmpeg.org/~michael/nut.txt)."""

from __future__ import annotations

from collections.abc import Iterator

from ser_rt.audio.decoding.part import NO_END, Part
from ser_rt.audio.decoding.view import Bytes

MARK = b"nut/multimedia container\0"
_HEADER = bytes.fromhex("4e4d7a561f5f04ad")
INDEX = bytes.fromhex("4e58dd672f23e64e")
INDEX_BYTES = 64
"""So many bytes of an index have the time in them that is looked for."""

_END_BYTES = 12
"""At the end of an index its length stands, and a check sum."""

_LONGEST_PACKET = 4096
"""A longer packet has a check sum of its head."""

_HEAD_BYTES = 512


def nut_parts(file: Bytes, start: int) -> Iterator[Part]:
    """Yield the recordings of a file; another one begins with the mark."""
    while start < file.size:
        end = file.find(MARK, start + len(MARK))
        size = int.from_bytes(file.at(max(start, end - _END_BYTES), 8), "big")
        index = file.at(max(start, end - size), INDEX_BYTES)
        warnings = () if index.startswith(INDEX) else (NO_END,)
        promised_s = stated_s(file.at(start, _HEAD_BYTES), index)
        yield Part(start, end, promised_s=promised_s, warnings=warnings)
        start = end


def stated_s(head: bytes, index: bytes) -> float | None:
    """Return when the last frame begins, by the first bytes of a file and of its index.

    None if that is of another track, perhaps.
    """
    at = head.find(_HEADER)
    if at < 0 or not index.startswith(INDEX):
        return None
    try:
        numbers = _numbers(head, at + len(_HEADER), 4)  # version, tracks, longest distance, bases
        if numbers[1] != 1:
            return None
        bases = _numbers(head, at + len(_HEADER), 4 + 2 * numbers[3])[4:]
        count, base = divmod(_numbers(index, len(INDEX), 1)[0], numbers[3])
        return count * bases[2 * base] / bases[2 * base + 1]
    except (IndexError, ZeroDivisionError):  # damaged
        return None


def _numbers(data: bytes, at: int, count: int) -> list[int]:
    """Read numbers of a packet, behind its length; 7 bits a byte, the last below 128."""
    numbers: list[int] = []
    while len(numbers) <= count:
        number = 0
        while data[at] & 0x80:
            number, at = number << 7 | data[at] & 0x7F, at + 1
        number, at = number << 7 | data[at], at + 1
        if not numbers and number > _LONGEST_PACKET:
            at += 4
        numbers.append(number)
    return numbers[1:]
