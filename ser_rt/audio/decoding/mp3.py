"""Lengths of MP3 files: the header of several joined ones gives that of the first alone."""

from __future__ import annotations

from collections.abc import Iterator

from ser_rt.audio.decoding.part import Part
from ser_rt.audio.decoding.view import Bytes

_BLOCK = 1 << 20
_RATES = (44_100, 48_000, 32_000)
_SHIFTS = {3: 0, 2: 1, 0: 2}
"""How often the rate of a version is halved."""

_LOW = (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_KBPS = {
    (True, 1): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (True, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (False, 1): _LOW,
    (False, 2): _LOW,
}
"""Bit rates by whether it is the first version, and layer (1 is III)."""


TAGS = (b"TAG", b"APETAGEX", b"LYRICSBEGIN")
"""First bytes of tags that stand behind the sound: ID3v1, APE, Lyrics3."""


def tag_bytes(head: bytes) -> int:
    """Return the size of the ID3v2 tag that begins so; 0 if it is none."""
    is_tag = len(head) >= 10 and head[:3] == b"ID3" and 2 <= head[3] <= 4 and max(head[6:10]) < 0x80
    if not is_tag:
        return 0
    size = 10
    for byte, shift in zip(head[6:10], (21, 14, 7, 0), strict=True):
        size += byte << shift
    return size + (10 if head[5] & 0x10 else 0)


def frame_bytes(head: bytes) -> int:
    """Return the length of the MPEG audio frame (layer II or III) that begins so; 0 if it is none.

    ISO/IEC 11172-3, 2.4.2.3, and 13818-3.
    """
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return 0
    version, layer = head[1] >> 3 & 3, head[1] >> 1 & 3
    bit_rate, rate, padding = head[2] >> 4, head[2] >> 2 & 3, head[2] >> 1 & 1
    if version == 1 or layer not in (1, 2) or bit_rate in (0, 15) or rate == 3:
        return 0
    kbps = _KBPS[version == 3, layer][bit_rate - 1]
    factor = 72_000 if layer == 1 and version != 3 else 144_000
    return factor * kbps // (_RATES[rate] >> _SHIFTS[version]) + padding


def is_mp3(head: bytes) -> bool:
    """Return whether a frame of MPEG audio layer III begins so."""
    return len(head) > 1 and head[1] >> 1 & 3 == 1 and frame_bytes(head) > 0


def mp3_parts(file: Bytes, start: int) -> Iterator[Part]:
    """Yield the recordings of a file: a tag in its middle begins another one."""
    while start < file.size:
        end = _next_tag(file, start + 1)
        yield Part(start, end, promised_s=stated_s(file.at(start, 256)))
        start = end
        while size := tag_bytes(file.at(start, 10)):
            start += size


def stated_s(frame: bytes) -> float | None:
    """Return the duration by the first frame; None if that holds sound."""
    if not is_mp3(frame):
        return None
    version = frame[1] >> 3 & 3
    rate, count = _RATES[frame[2] >> 2 & 3] >> _SHIFTS[version], stated_frames(frame)
    return None if count is None else count * (1152 if version == 3 else 576) / rate


def stated_frames(frame: bytes) -> int | None:
    """Return the number of frames by a Xing, Info or VBRI frame; None if it is none."""
    head = frame[:64]
    mark = max(head.find(b"Xing"), head.find(b"Info"))
    if mark >= 0 and len(frame) >= mark + 12:
        return int.from_bytes(frame[mark + 8 : mark + 12], "big") if frame[mark + 7] & 1 else 0
    if frame[36:40] == b"VBRI" and len(frame) >= 54:
        return int.from_bytes(frame[50:54], "big")
    return None


def stated_bytes(frame: bytes) -> int:
    """Return the length of the sound by the first frame; 0 if that does not give it."""
    head = frame[:64]
    mark = max(head.find(b"Xing"), head.find(b"Info"))
    if mark >= 0 and frame[mark + 7 : mark + 8] and frame[mark + 7] & 2:
        at = mark + 8 + 4 * (frame[mark + 7] & 1)
        return int.from_bytes(frame[at : at + 4], "big")
    return int.from_bytes(frame[46:50], "big") if frame[36:40] == b"VBRI" else 0


def _next_tag(file: Bytes, at: int) -> int:
    """Return the offset of the next ID3v2 tag that has sound behind it, or the end."""
    while at < file.size:
        data = file.at(at, _BLOCK + 10)
        found = data.find(b"ID3")
        if found < 0:
            at += _BLOCK + 8
            continue
        size = tag_bytes(file.at(at + found, 10))
        if size and is_mp3(file.at(at + found + size, 4)):
            return at + found
        at += found + 1
    return file.size
