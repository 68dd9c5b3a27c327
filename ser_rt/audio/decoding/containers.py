"""Recordings within files: where each of them ends, and whether it is cut off."""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace

from ser_rt.audio.decoding import matroska, mp3
from ser_rt.audio.decoding.avi import avi_parts
from ser_rt.audio.decoding.begins import begins_behind, next_begin
from ser_rt.audio.decoding.chunked import au_part, chunked_part, stated_end
from ser_rt.audio.decoding.formats import CHUNKED, SNIFFED_BYTES, is_of_libsndfile, sniff
from ser_rt.audio.decoding.matroska import matroska_parts
from ser_rt.audio.decoding.mp3 import mp3_parts, stated_s, tag_bytes
from ser_rt.audio.decoding.nut import nut_parts
from ser_rt.audio.decoding.ogg import ogg_parts
from ser_rt.audio.decoding.part import BAD_BLOCK, CUT_OFF, CUT_PACKET, NO_END, Part
from ser_rt.audio.decoding.units import LOST, TS_PACKET, mpeg, voc
from ser_rt.audio.decoding.view import Bytes

_ASF_FILE = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
_BLOCK = 1 << 20


def parts_of(file: Bytes, start: int | None = None) -> list[Part]:
    """Return the recordings of a file in order: one at least, or those from ``start`` on.

    Of a file that is near, all is read to find them; of another, the places that headers point to.
    """
    is_first, parts = start is None, list[Part]()
    start = _beginning(file) if start is None else _past_tags(file, start)
    while is_first or (start < file.size and sniff(file.at(start, SNIFFED_BYTES))):
        head = file.at(start, SNIFFED_BYTES)
        name = sniff(head) or ""
        find = _FINDERS.get(name) if file.is_near or name in POINTED else None
        found = [Part(start, file.size, promised_s=promised_s(name, head))]
        if find is not None:
            with suppress(struct.error, IndexError):  # a header that breaks off
                found = list(find(file, start))
        parts += found
        if parts[-1].end <= start:  # a header of nothing, which would be found again
            parts[-1] = Part(start, file.size)
        is_first, start = False, _past_tags(file, parts[-1].end)
    return [part for part in parts if not part.is_bare] or parts


def stated_bytes(head: bytes) -> int | None:
    """Return the length of a file by its first bytes, or None if they do not give it."""
    file = Bytes(io.BytesIO(head))
    name = sniff(head)
    if name in CHUNKED or name == "AU":
        return stated_end(file, 0)
    if head[:4] == matroska.EBML:
        return matroska.stated_end(head)
    size = _SIZES.get(name or "")
    return None if size is None else size(head)


def needs_end(head: bytes) -> bool:
    """Return whether a file that begins so is only decoded when its end is there.

    MP4 may have its index there. The others are hardly ever streamed; as files, their length is
    checked.
    """
    name = sniff(head)
    indexes = [at for at in (head.find(b"moov"), head.find(b"moof")) if at >= 0]
    data = head.find(b"mdat")
    is_behind = data >= 0 and (not indexes or min(indexes) > data)
    return name in _OF_FILES or is_of_libsndfile(head) or (name == "MP4" and is_behind)


def _past_tags(file: Bytes, start: int) -> int:
    """Return where ID3v2 tags that begin at an offset end."""
    while size := tag_bytes(file.at(start, 10)):
        start += size
    return start


def _beginning(file: Bytes) -> int:
    """Return where the audio begins: tags and zeros may stand before it."""
    start = _past_tags(file, 0)
    if sniff(file.at(start, SNIFFED_BYTES)) is not None:
        return start
    zeros = file.at(start, _BLOCK)
    at = start + len(zeros) - len(zeros.lstrip(b"\0"))
    # The size of an MP4 box begins with zeros of its own.
    places = (at - n for n in range(4) if at > n)
    return next((at for at in places if sniff(file.at(at, SNIFFED_BYTES)) is not None), 0)


def _mp4(file: Bytes, start: int) -> Iterator[Part]:
    at, begin, index, missing, has_sound, body = start, start, False, "", False, start + 8
    while len(head := file.at(at, 16)) >= 8:
        size, name = struct.unpack(">I4s", head[:8])
        if size == 1 and len(head) == 16:
            (size,) = struct.unpack(">Q", head[8:])
        elif size == 0:
            size = file.size + 1 - at  # to the end, if nothing begins in it
        is_box = size >= 8 and all(0x20 <= byte < 0x7F for byte in name)
        if not is_box or head.startswith(mp3.TAGS) or at + size > file.size:
            body, end = (at + 8, file.size) if is_box else (body, at)
            if (other := next_begin(file, body, end)) is not None:
                yield Part(begin, other, missing=CUT_OFF)
                return
        if not is_box or head.startswith(mp3.TAGS):
            break
        body = at + 8
        if name == b"ftyp" and has_sound:
            yield Part(begin, at, missing=missing)
            begin, index, has_sound = at, False, False
        index |= name in (b"moov", b"moof")
        has_sound |= name in (b"mdat", b"moof")
        if at + size > file.size + 1:
            missing = CUT_OFF
        at += size
    if not index and not missing:
        missing = "its index (moov) is missing, which a recorder writes last"
    yield Part(begin, _end(file, at), missing=missing)


def _end(file: Bytes, at: int) -> int:
    """Return where a recording ends whose last unit ends at an offset: where another begins."""
    other = begins_behind(file, at, file.size)
    return file.size if other is None else other


def _marked(name: str, *begins: bytes) -> Callable[[Bytes, int], Iterator[Part]]:
    """Return the finder of recordings that begin with one of some marks."""

    def find(file: Bytes, start: int) -> Iterator[Part]:
        while start < file.size:
            end = min(file.find(mark, start + 4) for mark in begins)
            yield Part(start, end, promised_s=promised_s(name, file.at(start, SNIFFED_BYTES)))
            start = end

    return find


def promised_s(name: str, head: bytes) -> float | None:
    """Return the duration by the first bytes of a FLAC, MP3 or NIST file, if they give it."""
    if name == "MP3":
        return stated_s(head[tag_bytes(head) :])
    if name == "NIST SPHERE":
        stated = [int(found[1]) for mark in _NIST if (found := mark.search(head))]
        return stated[0] / stated[1] if len(stated) == len(_NIST) and stated[1] else None
    if name != "FLAC" or len(head) < 26:
        return None
    bits = int.from_bytes(head[18:26], "big")  # rate, channels, bits, samples (RFC 9639, 8.2)
    rate, frames = bits >> 44, bits & (1 << 36) - 1
    return frames / rate if rate and frames else None


_NIST = [re.compile(rb"\n%b -i (\d{1,15})\n" % key) for key in (b"sample_count", b"sample_rate")]


def _sized(file: Bytes, start: int) -> Iterator[Part]:
    """Yield a recording whose first bytes give its length."""
    size = stated_bytes(file.at(start, SNIFFED_BYTES))
    is_cut = size is not None and start + size > file.size
    end = file.size if size is None else _end(file, start + size)
    if size is not None and start + size not in (file.size, end):
        other = next_begin(file, start + 4, min(start + size, file.size))
        is_cut, end = is_cut or other is not None, end if other is None else other
    yield Part(start, end, missing=CUT_OFF if is_cut else "")


def _mp3(file: Bytes, start: int) -> Iterator[Part]:
    """Yield the recordings of MP3 before one of another format, in which frames may be found."""
    for part in mp3_parts(file, start):
        size = mp3.stated_bytes(file.at(part.start, 64))
        other = next_begin(file, part.start + max(1, size), part.end)
        if other is not None:
            yield replace(part, end=other)
            return
        yield part


def _asf_size(head: bytes) -> int | None:
    """Return the size in the header of an ASF file; a live one has none."""
    at = head.find(_ASF_FILE)
    if not 0 <= at <= len(head) - 92 or head[at + 88] & 1:
        return None
    return int(struct.unpack_from("<Q", head, at + 40)[0]) or None


def _rm_end(head: bytes) -> int | None:
    """Return where the sound of a RealMedia file ends, if its first bytes give it."""
    at = 0
    while len(chunk := head[at : at + 8]) == 8:
        size = int.from_bytes(chunk[4:], "big")
        if chunk[:4] == b"DATA":
            return at + size - _RM_HEAD if size > _RM_HEAD else None
        at += max(8, size)
    return None


_RM_HEAD = 18
"""Bytes of the head of the data; an unknown size is no more. Some writers count it twice."""


def _voc(file: Bytes, start: int) -> Iterator[Part]:
    at = before = start
    while (unit := voc(head := file.at(at, 32)) or LOST).size and head[0]:
        before, at = at, at + unit.size
    if not head.startswith(b"\0") and (other := next_begin(file, before + 4, at)) is not None:
        yield Part(start, other, missing=CUT_OFF)
    elif head.startswith(b"\0"):
        yield Part(start, _end(file, at + 1))
    else:
        missing = CUT_OFF if at > file.size else BAD_BLOCK if at < file.size else ""
        yield Part(start, file.size, missing=missing, warnings=(NO_END,))


def _flv(file: Bytes, start: int) -> Iterator[Part]:
    at = before = start + 9
    while len(head := file.at(at, 15)) > 4:
        if head[4:8] == b"FLV\x01":
            yield Part(start, at + 4)
            start, at = at + 4, at + 13
        elif head[4] & 0xDF in (8, 9, 18):
            before, at = at, at + 15 + int.from_bytes(head[5:8].ljust(3, b"\xff"), "big")
        else:
            break
    is_odd = len(head) > 4 or at > file.size
    if is_odd and (other := next_begin(file, before, min(at, file.size))) is not None:
        yield Part(start, other, missing="it breaks off within a tag")
        return
    missing = "it breaks off within a tag" if at > file.size else ""
    yield Part(start, _end(file, at + 4), missing=missing)


def _ts(file: Bytes, start: int) -> Iterator[Part]:
    is_cut = (file.size - start) % TS_PACKET
    yield Part(start, file.size, warnings=(CUT_PACKET,) if is_cut else ())


def _mpeg(file: Bytes, start: int) -> Iterator[Part]:
    begin = max(start, file.size - _BLOCK)
    end = file.at(begin, _BLOCK)
    at = max(0, end.rfind(b"\0\0\1\xba"))
    while (unit := mpeg(end[at : at + 14])) is not None and unit.size:
        at += unit.size
    is_cut = at > len(end) or (unit is None and at < len(end))
    yield Part(start, file.size, warnings=(CUT_PACKET,) if is_cut else ())


def _sox_end(head: bytes) -> int | None:
    """Return where a SoX file ends: its header gives its own length and the number of samples."""
    before, count = struct.unpack_from("<IQ", head.ljust(16, b"\0"), 4)
    return 4 + int(before) + 4 * int(count) if count else None


_SIZES: dict[str, Callable[[bytes], int | None]] = {
    "ASF or WMA": _asf_size,
    "8SVX": lambda head: 8 + int.from_bytes(head[4:8], "big"),
    "AVI": lambda head: 8 + int.from_bytes(head[4:8], "little"),
    "DSF": lambda head: int.from_bytes(head[12:20], "little") or None,
    "RealMedia": _rm_end,
    "SoX": _sox_end,
}
"""How to find the length of a file in its first bytes."""

_FINDERS: dict[str, Callable[[Bytes, int], Iterator[Part]]] = {
    **dict.fromkeys(CHUNKED, chunked_part),
    "AU": au_part,
    "Ogg": ogg_parts,
    "Matroska or WebM": matroska_parts,
    "MP4": _mp4,
    "FLAC": _marked("FLAC", b"fLaC\x00\x00\x00\x22", b"fLaC\x80\x00\x00\x22"),
    "ASF or WMA": _sized,
    **dict.fromkeys(("8SVX", "DSF", "SoX"), _sized),
    "AVI": avi_parts,
    "FLV": _flv,
    "MPEG-TS": _ts,
    "MPEG": _mpeg,
    "MP3": _mp3,
    "AMR": _marked("AMR", b"#!AMR"),
    "NIST SPHERE": _marked("NIST SPHERE", b"NIST_1A\n"),
    "NUT": nut_parts,
    "RealMedia": _sized,
    "VOC": _voc,
}
"""How to find the recordings in each format."""

_OF_FILES = (CHUNKED - {"WAV"}) | {"WavPack", "TTA", "Monkey's Audio", "Musepack", "TAK", "8SVX"}

POINTED = {*CHUNKED, "AU", "MP4"}
"""Formats whose headers give their length, and point to what is needed of them."""
