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
    if not _is_intact(frame, 4 + length):
        return None
    number = first & (0x7F if length == 1 else 0x7F >> length)
    for byte in frame[5 : 4 + length]:
        number = number << 6 | byte & 0x3F
    return number if frame[1] & 1 else number * block


_SIZE_BYTES, _RATE_BYTES = {6: 1, 7: 2}, {12: 1, 13: 2, 14: 2}
"""Bytes behind the number, by the codes of the block's size and the rate."""


def _crc(byte: int) -> int:
    for _ in range(8):
        byte = (byte << 1 ^ 0x107) if byte & 0x80 else byte << 1
    return byte


_CRC = bytes(_crc(byte) for byte in range(256))
"""CRC-8 of each byte."""


def _is_intact(frame: bytes, at: int) -> bool:
    """Return whether the CRC-8 of a frame's header is right; ``at`` is behind its number."""
    end = at + _SIZE_BYTES.get(frame[2] >> 4, 0) + _RATE_BYTES.get(frame[2] & 15, 0)
    crc = 0
    for byte in frame[:end]:
        crc = _CRC[crc ^ byte]
    return end < len(frame) and crc == frame[end]
