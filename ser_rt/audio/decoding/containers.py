"""Lengths of files: where one recording in them ends, and what is cut off."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Iterator
from contextlib import suppress

from ser_rt.audio.block import SourceWarning
from ser_rt.audio.decoding.chunked import au_part, chunked_part, stated_end
from ser_rt.audio.decoding.formats import CHUNKED, SNIFFED_BYTES, sniff
from ser_rt.audio.decoding.mp3 import mp3_parts, stated_s, tag_bytes
from ser_rt.audio.decoding.ogg import ogg_parts
from ser_rt.audio.decoding.part import Part
from ser_rt.audio.decoding.view import Bytes

EBML = b"\x1a\x45\xdf\xa3"
_SEGMENT = b"\x18\x53\x80\x67"
CLUSTER = b"\x1f\x43\xb6\x75"
ELEMENTS = {CLUSTER, b"\xa3", b"\xa0", b"\x1c\x53\xbb\x6b", b"\x12\x54\xc3\x67", b"\xe7", b"\xec"}
"""Clusters, what is in them, and what may follow them."""

MASTERS = {_SEGMENT, CLUSTER}
"""Elements that other elements of these are in."""

_ASF = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_ASF_FILE = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
_BLOCK = 1 << 20
_TS_PACKET = 188

_CUT_PACKET = SourceWarning("truncated", "it may have been cut off within a packet")
CUT_OFF = "it is shorter than its header says"


def parts_of(file: Bytes, *, is_near: bool = True) -> list[Part]:
    """Return the recordings that a file is made of, in order; one at least.

    Of a file that ``is_near``, all is read to find them; of another, what its headers point to.
    """
    start, parts = _beginning(file), list[Part]()
    while not parts or (start < file.size and _is_known(file.at(start, SNIFFED_BYTES))):
        head = file.at(start, SNIFFED_BYTES)
        name = sniff(head) or ""
        find = _FINDERS.get(name) if is_near or name in POINTED else None
        found = [Part(start, file.size, promised_s=promised_s(name, head))]
        if find is not None:
            with suppress(struct.error, IndexError):  # a header that breaks off
                found = list(find(file, start))
        parts += found
        if parts[-1].end <= start:  # a header of nothing, which would be found again
            parts[-1] = Part(start, file.size)
        start = parts[-1].end
    return parts


def stated_bytes(head: bytes) -> int | None:
    """Return how long a file is by what its first bytes say, or None if they do not."""
    file = Bytes(io.BytesIO(head))
    name = sniff(head)
    if name in CHUNKED or name == "AU":
        return stated_end(file, 0)
    if head[:4] == EBML:
        header, at = element_size(head[4:12], 4)
        segment = at + (header or 0)
        size, body = element_size(head[segment + 4 : segment + 12], segment + 4)
        return None if size is None or head[segment : segment + 4] != _SEGMENT else body + size
    if head[:16] == _ASF:
        return _asf_size(head)
    if name == "AVI":
        return 8 + int(struct.unpack("<I", head[4:8])[0]) or None
    return None


def needs_end(head: bytes) -> bool:
    """Return whether a file that begins so is only decoded when its end is there.

    MP4 may have its index there. The others nobody streams: as a file, their length is checked.
    """
    name = sniff(head)
    indexes = [at for at in (head.find(b"moov"), head.find(b"moof")) if at >= 0]
    data = head.find(b"mdat")
    is_behind = data >= 0 and (not indexes or min(indexes) > data)
    return name in _OF_FILES or (name == "MP4" and is_behind)


def _beginning(file: Bytes) -> int:
    """Return where the audio begins: tags and zeros may stand before it."""
    start = 0
    while size := tag_bytes(file.at(start, 10)):
        start += size
    if sniff(file.at(start, SNIFFED_BYTES)) is not None:
        return start
    zeros = file.at(start, _BLOCK)
    at = start + len(zeros) - len(zeros.lstrip(b"\0"))
    # The size of an MP4 box begins with zeros of its own.
    places = (at - n for n in range(4) if at > n)
    return next((at for at in places if sniff(file.at(at, SNIFFED_BYTES)) is not None), 0)


def _is_known(head: bytes) -> bool:
    return sniff(head) in _FINDERS


def _mp4(file: Bytes, start: int) -> Iterator[Part]:
    at, begin, index, missing, has_sound = start, start, False, "", False
    while len(head := file.at(at, 16)) >= 8:
        size, name = struct.unpack(">I4s", head[:8])
        if size == 1 and len(head) == 16:
            (size,) = struct.unpack(">Q", head[8:])
        elif size == 0:
            size = file.size - at
        if size < 8 or not all(0x20 <= byte < 0x7F for byte in name):
            break
        if name == b"ftyp" and has_sound:
            yield Part(begin, at, missing=missing)
            begin, index, has_sound = at, False, False
        index |= name in (b"moov", b"moof")
        has_sound |= name in (b"mdat", b"moof")
        if at + size > file.size:
            missing = CUT_OFF
        at += size
    if not index and not missing:
        missing = "its index (moov) is missing, which a recorder writes last"
    yield Part(begin, file.size, missing=missing)


def _matroska(file: Bytes, start: int) -> Iterator[Part]:
    while start < file.size:
        header, at = element_size(file.at(start + 4, 8), start + 4)
        segment = at + (header or 0)
        end, missing, body = None, "", segment
        if file.at(segment, 4) == _SEGMENT:
            size, body = element_size(file.at(segment + 4, 8), segment + 4)
            if size is not None:
                end = body + size
                missing = CUT_OFF if end > file.size else ""
        if end is None:
            missing = "it breaks off within a block" if _breaks_off(file, body) else ""
        if end is None or file.at(end, 4) != EBML:
            end = _find(file, EBML, start + 4, lambda head: b"webm" in head or b"matroska" in head)
        yield Part(start, min(end, file.size), missing=missing)
        start = end


def _breaks_off(file: Bytes, at: int) -> bool:
    """Return whether the last element of a segment of unknown size is not whole."""
    name = b""
    while at < file.size:
        head = file.at(at, 12)
        name_bytes = 9 - head[0].bit_length()
        name, sizes = head[:name_bytes], head[name_bytes:]
        if name_bytes > 4 or name == EBML:
            return False
        if not sizes:
            return True
        size, body = element_size(sizes, at + name_bytes)
        at = body if size is None else body + size
    return at > file.size and name in ELEMENTS


def element_size(data: bytes, at: int) -> tuple[int | None, int]:
    """Return an EBML size, None if it is unknown, and the offset behind it (RFC 8794)."""
    if not data or not data[0]:
        return None, at + 1
    length = 9 - data[0].bit_length()
    value = int.from_bytes(data[:length], "big") & (1 << 7 * length) - 1
    return (None if value == (1 << 7 * length) - 1 else value), at + length


def _flac(file: Bytes, start: int) -> Iterator[Part]:
    while start < file.size:
        begins = b"fLaC\x00\x00\x00\x22", b"fLaC\x80\x00\x00\x22"
        end = min(_find(file, mark, start + 4, lambda _: True) for mark in begins)
        yield Part(start, end, promised_s=promised_s("FLAC", file.at(start, 26)))
        start = end


def promised_s(name: str, head: bytes) -> float | None:
    """Return how many seconds the first bytes of a FLAC or MP3 file promise, if they do."""
    if name == "MP3":
        return stated_s(head[tag_bytes(head) :])
    if name != "FLAC" or len(head) < 26:
        return None
    bits = int.from_bytes(head[18:26], "big")  # rate, channels, bits, samples (RFC 9639, 8.2)
    rate, frames = bits >> 44, bits & (1 << 36) - 1
    return frames / rate if rate and frames else None


def _amr(file: Bytes, start: int) -> Iterator[Part]:
    while start < file.size:
        end = _find(file, b"#!AMR", start + 5, lambda _: True)
        yield Part(start, end)
        start = end


def _find(file: Bytes, mark: bytes, at: int, is_right: Callable[[bytes], bool]) -> int:
    """Return the offset of the next mark that is right, or the end of the file."""
    while at < file.size:
        data = file.at(at, _BLOCK + len(mark) - 1)
        found = data.find(mark)
        if found < 0:
            at += _BLOCK
        elif is_right(file.at(at + found, 64)):
            return at + found
        else:
            at += found + 1
    return file.size


def _asf(file: Bytes, start: int) -> Iterator[Part]:
    size = _asf_size(file.at(start, 4096))
    is_cut = size is not None and start + size > file.size
    yield Part(start, file.size, missing=CUT_OFF if is_cut else "")


def _asf_size(head: bytes) -> int | None:
    """Return the size that an ASF file says it has; a live one does not know."""
    at = head.find(_ASF_FILE)
    if not 0 <= at <= len(head) - 92 or head[at + 88] & 1:
        return None
    return int(struct.unpack_from("<Q", head, at + 40)[0]) or None


def _avi(file: Bytes, start: int) -> Iterator[Part]:
    at, missing = start, ""
    while len(head := file.at(at, 8)) == 8 and head[:4] == b"RIFF":
        size = struct.unpack("<I", head[4:])[0]
        at += 8 + size + size % 2
        missing = CUT_OFF if file.size < at - 1 and size else ""
    yield Part(start, file.size, missing=missing)


def _flv(file: Bytes, start: int) -> Iterator[Part]:
    at = start + 9
    while len(head := file.at(at, 15)) > 4:
        if head[4:8] == b"FLV\x01":
            yield Part(start, at + 4)
            start, at = at + 4, at + 13
        elif head[4] & 0x1F in (8, 9, 18):
            at += 15 + int.from_bytes(head[5:8].ljust(3, b"\xff"), "big")
        else:
            break
    missing = "it breaks off within a tag" if at > file.size else ""
    yield Part(start, file.size, missing=missing)


def _ts(file: Bytes, start: int) -> Iterator[Part]:
    is_cut = (file.size - start) % _TS_PACKET
    yield Part(start, file.size, warnings=(_CUT_PACKET,) if is_cut else ())


_FINDERS: dict[str, Callable[[Bytes, int], Iterator[Part]]] = {
    **dict.fromkeys(CHUNKED, chunked_part),
    "AU": au_part,
    "Ogg": ogg_parts,
    "Matroska or WebM": _matroska,
    "MP4": _mp4,
    "FLAC": _flac,
    "ASF or WMA": _asf,
    "AVI": _avi,
    "FLV": _flv,
    "MPEG-TS": _ts,
    "MP3": mp3_parts,
    "AMR": _amr,
}
"""How to find the recordings in each format."""

_OF_FILES = (CHUNKED - {"WAV"}) | {"WavPack", "TTA", "Monkey's Audio", "Musepack", "TAK"}

POINTED = {*CHUNKED, "AU", "MP4", "ASF or WMA", "AVI"}
"""Formats whose headers say where they end."""
