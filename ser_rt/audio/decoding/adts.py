"""`adts_bytes`: frames of AAC without a container (ISO/IEC 13818-7, 6.2)."""

from __future__ import annotations


def adts_bytes(head: bytes) -> int:
    """Return the length of the ADTS frame (AAC) that begins so; 0 if it is none."""
    if len(head) < 6 or head[0] != 0xFF or head[1] & 0xF6 != 0xF0 or head[2] >> 2 & 15 > 12:
        return 0
    length = (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5
    return length if length > 7 else 0
