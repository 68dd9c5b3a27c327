"""Places of FLAC frames (RFC 9639), which FFmpeg counts without looking at their numbers."""

from __future__ import annotations


def flac_sample(frame: bytes, block: float) -> float | None:
    """Return the number of the first sample of a FLAC frame (RFC 9639, 9.1); None if it has none.

    Where the frame has its own number instead, the samples of a ``block`` are the same in each.
    """
    if len(frame) < 6 or frame[0] != 0xFF or frame[1] & 0xFC != 0xF8:
        return None
    first = frame[4]
    length = 8 - (~first & 0xFF).bit_length() if first & 0x80 else 1
    if length > len(frame) - 4 or (first & 0x80 and length < 2):
        return None
    number = first & (0x7F if length == 1 else 0x7F >> length)
    for byte in frame[5 : 4 + length]:
        number = number << 6 | byte & 0x3F
    return number if frame[1] & 1 else number * block
