"""Units of containers: boxes, elements, tags and chunks, each with the offset of the next."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from ser_rt.audio.decoding.avi import chunk_bytes
from ser_rt.audio.decoding.begins import BEGINS
from ser_rt.audio.decoding.chunked import UNFINISHED
from ser_rt.audio.decoding.matroska import CLUSTER, EBML, ELEMENTS, KNOWN, MASTERS, element_size


class Unit(NamedTuple):
    """Properties of a unit, read from its head.

    Attributes:
        size: Bytes to the head of the next unit.
        begins: Whether it begins another recording.
        has_sound: Whether it holds some of the sound.
    """

    size: int
    begins: bool = False
    has_sound: bool = False


_END_CODE, _PACK_CODE, TS_PACKET = 0xB9, 0xBA, 188

LOST = Unit(0)
"""Bytes that are no unit."""


def _mp4(head: bytes) -> Unit | None:
    if len(head) < 16:
        return None
    size, name = int.from_bytes(head[:4], "big"), head[4:8]
    if size == 1:
        size = int.from_bytes(head[8:16], "big")
    if size < 8 or not all(0x20 <= byte < 0x7F for byte in name):
        return LOST
    return Unit(size, begins=name == b"ftyp", has_sound=name in (b"mdat", b"moof"))


def _matroska(head: bytes) -> Unit | None:
    if len(head) < 12:
        return None
    name_bytes = 9 - head[0].bit_length()
    name = head[:name_bytes]
    if name not in KNOWN:
        return LOST
    size, body = element_size(head[name_bytes:], name_bytes)
    if name == EBML or name in MASTERS or size is None:
        return Unit(body if name in MASTERS or size is None else body + size, name == EBML)
    return Unit(body + size, has_sound=name in ELEMENTS)


def _flv(head: bytes) -> Unit | None:
    if head[:4] == b"FLV\x01":
        return Unit(9, begins=True) if len(head) >= 9 else None
    if len(head) < 15:
        return None
    if head[4:8] == b"FLV\x01":
        return Unit(4)
    if head[4] & 0xDF not in (8, 9, 18):
        return LOST
    return Unit(15 + int.from_bytes(head[5:8], "big"), has_sound=True)


def _wav(head: bytes) -> Unit | None:
    if len(head) < 12:
        return None
    if head[:4] == b"RIFF":
        return Unit(12, begins=True)
    size = int.from_bytes(head[4:8], "little")
    is_known = size < UNFINISHED and all(0x20 <= byte < 0x7F for byte in head[:4])
    return Unit(8 + size + size % 2, has_sound=head[:4] == b"data") if is_known else LOST


def _au(head: bytes) -> Unit | None:
    if len(head) < 12:
        return None
    if head[:4] != b".snd":
        return LOST
    size = int.from_bytes(head[8:12], "big")
    size = size if size < UNFINISHED else UNFINISHED << 32
    return Unit(int.from_bytes(head[4:8], "big") + size, begins=True, has_sound=True)


def _avi(head: bytes) -> Unit | None:
    if len(head) < 8:
        return None
    return Unit(chunk_bytes(head), has_sound=head[2:4] == b"wb")


VOC_MARK = b"Creative Voice File\x1a"
_LAST_VOC_TYPE = b"\x09"


def voc(head: bytes) -> Unit | None:
    """Return the header, block or end of a VOC file (type, size of 24 bits, body)."""
    if head.startswith(VOC_MARK):
        return Unit(int.from_bytes(head[20:22], "little"), begins=True) if len(head) > 21 else None
    if head.startswith(b"\0"):  # the end
        return Unit(len(head) - len(head.lstrip(b"\0")))
    if head[:1] > _LAST_VOC_TYPE:
        return None if VOC_MARK.startswith(head) else LOST
    if len(head) < 4:
        return None
    return Unit(4 + int.from_bytes(head[1:4], "little"), has_sound=True)


def mpeg(head: bytes) -> Unit | None:
    """Return the pack, packet or end code of an MPEG program stream (ISO/IEC 13818-1, 2.5.3)."""
    if head[:3] != b"\0\0\1"[: len(head)] or (len(head) > 3 and head[3] < _END_CODE):
        return LOST
    if head[3:4] == bytes([_END_CODE]):
        return Unit(4)
    if len(head) < 14:
        return None
    if head[3] == _PACK_CODE:
        return Unit(14 + (head[13] & 7) if head[4] >> 6 == 1 else 12)
    return Unit(6 + int.from_bytes(head[4:6], "big"), has_sound=True)


def _mpegts(head: bytes) -> Unit | None:
    return Unit(TS_PACKET, has_sound=True) if head[0] == 0x47 else LOST


class Structure(NamedTuple):
    """Units of a container.

    Attributes:
        unit: Returns the unit that some bytes begin, None if it takes more of them.
        begin: Some of the first bytes of a recording, and their offset.
        mark: Finds a unit behind damage; None if nothing does.
        trailer: How many bytes follow the last unit.
    """

    unit: Callable[[bytes], Unit | None]
    begin: tuple[bytes, int] = (b"", 0)
    mark: re.Pattern[bytes] | None = None
    trailer: int = 0

    def begun(self, data: bytes, start: int, end: int) -> int | None:
        """Return where another recording begins between two offsets; None if none does."""
        found, offset = self.begin
        at = data.find(found, start, end) if found else -1
        while at >= 0 and (at - offset < start or BEGINS.match(data, at - offset) is None):
            at = data.find(found, at + 1, end)
        return None if at < 0 else at - offset


STRUCTURES = {
    "MP4": Structure(_mp4, (b"ftyp", 4)),
    "Matroska or WebM": Structure(
        _matroska, (EBML, 0), re.compile(re.escape(EBML) + b"|" + CLUSTER)
    ),
    "FLV": Structure(_flv, (b"FLV\x01", 0), trailer=4),
    "WAV": Structure(_wav, (b"RIFF", 0)),
    "AU": Structure(_au, (b".snd", 0)),
    "MPEG": Structure(mpeg, mark=re.compile(rb"\x00\x00\x01[\xba-\xff]")),
    "MPEG-TS": Structure(_mpegts, mark=re.compile(rb"\x47(?=.{187}\x47)", re.DOTALL)),
    "VOC": Structure(voc, (VOC_MARK, 0), re.compile(VOC_MARK)),
    "AVI": Structure(_avi, (b"RIFF", 0), re.compile(rb"\d\d(?:wb|d[bc])|idx1")),
}
