"""Lengths of WAV, RF64, W64, AIFF, CAF and AU files, by their headers and by their bytes.

A header's length is checked against the bytes. Where the writer did not know it, or bytes follow
that are no chunk, the sound ends where the file does; the decoder gets a corrected header.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

from ser_rt.audio.block import SourceWarning
from ser_rt.audio.decoding.begins import next_begin
from ser_rt.audio.decoding.formats import sniff, with_whole_bits
from ser_rt.audio.decoding.part import SLACK_S, Part
from ser_rt.audio.decoding.view import Bytes

UNFINISHED = 0x7FFF_0000
"""A size from here on means that the writer did not know it: a pipe, or a crash."""

_LONG_UNFINISHED = 2**62
SLACK_BYTES = 2048
_HEAD = 2048

_W64_TAIL = bytes.fromhex("f3acd3118cd100c04f8edb8a")


@dataclass(frozen=True, slots=True)
class _Chunk:
    name: bytes
    body: int
    """Offset of its first byte after name and size."""
    size: int
    """Bytes of its body, by its head."""


@dataclass(frozen=True, slots=True)
class _Kind:
    """How a container lays out its chunks."""

    first: int
    """Offset of the first chunk."""
    size_format: str
    name_bytes: int = 4
    counts_header: bool = False
    """Whether a chunk's size counts its name and size too."""
    align: int = 2
    sound: bytes = b"data"

    @property
    def head_bytes(self) -> int:
        return self.name_bytes + struct.calcsize(self.size_format)

    def chunk(self, file: Bytes, at: int) -> _Chunk | None:
        """Read the head of the chunk at an offset."""
        head = file.at(at, self.head_bytes)
        if len(head) < self.head_bytes:
            return None
        (size,) = struct.unpack(self.size_format, head[self.name_bytes :])
        size -= self.head_bytes if self.counts_header and size >= self.head_bytes else 0
        return _Chunk(head[: self.name_bytes], at + self.head_bytes, size)

    def behind(self, chunk: _Chunk) -> int:
        """Return the offset behind a chunk and its padding."""
        return chunk.body + chunk.size + -chunk.size % self.align

    def packed(self, size: int) -> bytes:
        """Return a size as a chunk stores it."""
        return struct.pack(self.size_format, size + self.head_bytes * self.counts_header)


_KINDS = {
    "WAV": _Kind(12, "<I"),
    "RF64": _Kind(12, "<I"),
    "RIFX": _Kind(12, ">I"),
    "AIFF": _Kind(12, ">I", sound=b"SSND"),
    "CAF": _Kind(8, ">q", align=1),
    "W64": _Kind(40, "<q", 16, counts_header=True, align=8, sound=b"data" + _W64_TAIL),
}


def _kind(head: bytes) -> _Kind:
    return _KINDS["RIFX" if head[:4] == b"RIFX" else sniff(head) or "WAV"]


def chunked_part(file: Bytes, start: int) -> Iterator[Part]:
    """Yield the recording of a WAV, RF64, W64, AIFF or CAF file that begins at an offset."""
    head = file.at(start, _HEAD)
    kind = _kind(head)
    part = _cut_short(file, start, kind) or _part(file, start, kind)
    if with_whole_bits(head) != head and (sound := _sound(file, start, kind)) is not None:
        header = part.header or file.at(start, sound.chunk.body - start)
        yield replace(part, header=with_whole_bits(header))
        return
    sound = None if part.header or kind.first != 12 else _sound(file, start, kind)
    more = [] if sound is None else list(_more(file, part, kind, sound))
    yield replace(part, end=min(part.end, kind.behind(sound.chunk))) if sound and more else part
    yield from more


def _more(file: Bytes, part: Part, kind: _Kind, sound: _Sound) -> Iterator[Part]:
    """Yield further chunks of sound, each under the header of the first: libsndfile reads one."""
    header = file.at(part.start, sound.chunk.body - part.start)
    at = kind.behind(sound.chunk)
    while at < part.end and (chunk := kind.chunk(file, at)) is not None:
        at = kind.behind(chunk)
        start, end = chunk.body - len(header), min(chunk.body + chunk.size, file.size)
        if chunk.name == kind.sound and end > chunk.body and start > part.start:
            lost = chunk.body + chunk.size - end
            missing = _promise(chunk.size, sound.bytes_per_s) if lost > SLACK_BYTES else ""
            yield Part(start, end, header[:-4] + kind.packed(end - chunk.body), missing=missing)


def stated_end(file: Bytes, start: int) -> int | None:
    """Return the offset at which the sound of a recording ends, if its header gives it."""
    head = file.at(start, _HEAD)
    if head[:4] == b".snd":
        offset, size = struct.unpack(">II", head[4:12].ljust(8, b"\0"))
        return None if size >= UNFINISHED else start + offset + size
    sound = _sound(file, start, _kind(head))
    if sound is None or sound.size is None or not sound.size:
        return None
    return sound.chunk.body + sound.size


class _Sound(NamedTuple):
    """The chunk with the sound, its size if the writer knew it, and the bytes of a second."""

    chunk: _Chunk
    size: int | None
    bytes_per_s: float


def _sound(file: Bytes, start: int, kind: _Kind) -> _Sound | None:
    """Find the sound of one recording; None if chunks do not lead to it."""
    at, bytes_per_s, long_size = start + kind.first, 0.0, None
    while (chunk := kind.chunk(file, at)) is not None:
        if chunk.name == b"ds64" and chunk.size >= 16:
            (long_size,) = struct.unpack("<Q", file.at(chunk.body + 8, 8))
        if chunk.name == kind.sound:
            limit, size = _LONG_UNFINISHED, chunk.size
            if long_size is not None and size == 0xFFFF_FFFF:
                size = long_size
            elif kind.size_format[1] == "I" and file.size - chunk.body < size:
                limit = UNFINISHED
            return _Sound(chunk, size if 0 <= size < limit else None, bytes_per_s)
        if chunk.size < 0 or chunk.body + chunk.size > file.size:
            return None
        bytes_per_s = _bytes_per_s(kind, chunk, file) or bytes_per_s
        at = kind.behind(chunk)
    return None


def _cut_short(file: Bytes, start: int, kind: _Kind) -> Part | None:
    """Return a recording in whose sound another begins; None if its end is where it should be."""
    sound = _sound(file, start, kind)
    if sound is None or sound.size is None:
        return None
    body, size, bytes_per_s = sound.chunk.body, sound.size, sound.bytes_per_s
    at = body + size
    end = _end_of_chunks(file, at, kind) if at < file.size else at
    if end == file.size or (at < file.size and sniff(file.at(end, _HEAD))):
        return None
    other = next_begin(file, body, min(at, file.size))
    if other is None:
        return None
    missing = _promise(size, bytes_per_s)
    return _corrected(file, start, kind, sound.chunk, other - body, missing, end=other)


def _part(file: Bytes, start: int, kind: _Kind) -> Part:
    """Find the sound of one recording, and how much of it there is."""
    sound = _sound(file, start, kind)
    if sound is None:
        return Part(start, file.size)
    chunk, size, bytes_per_s = sound
    present = file.size - chunk.body
    if size is None:
        return _corrected(file, start, kind, chunk, present)
    slack = SLACK_S * bytes_per_s or SLACK_BYTES
    if size > present:
        missing = "" if size - present <= slack else _promise(size, bytes_per_s)
        return _corrected(file, start, kind, chunk, present, missing)
    end = _end_of_chunks(file, chunk.body + size, kind)
    is_padding = size > 0 and file.zeros_before(chunk.body + size, file.size) == present - size
    if end == file.size or sniff(file.at(end, _HEAD)) or is_padding:
        return Part(start, end)
    if present - size <= slack:
        return Part(start, end)
    message = f"its header says {size} bytes of sound, and {present} are there: all are decoded"
    part = _corrected(file, start, kind, chunk, present)
    return replace(part, warnings=(SourceWarning("header", message),)) if size else part


def _corrected(
    file: Bytes,
    start: int,
    kind: _Kind,
    chunk: _Chunk,
    size: int,
    missing: str = "",
    *,
    end: int | None = None,
) -> Part:
    """Return a recording with the size of its sound put right; there is no padding behind it."""
    size -= size % 2
    header = file.at(start, chunk.body - start)
    at = chunk.body - start - struct.calcsize(kind.size_format)
    if header[:4] in (b"RF64", b"BW64"):  # its own size stands elsewhere
        ds64 = header.find(b"ds64") + 16
        header = header[:ds64] + struct.pack("<Q", size) + header[ds64 + 8 :]
    else:
        biggest = 2 ** (8 * struct.calcsize(kind.size_format) - (kind.size_format[1] == "q")) - 1
        header = header[:at] + kind.packed(min(size, biggest))
    end = min(file.size, chunk.body + size) if end is None else end
    return Part(start, end, header, missing=missing)


def _end_of_chunks(file: Bytes, at: int, kind: _Kind) -> int:
    """Return the offset behind the chunks that follow the sound."""
    for begin in (at + at % kind.align, at):  # some writers leave the padding out
        end = begin
        while (chunk := kind.chunk(file, end)) is not None and _is_plausible(chunk, file, kind):
            end = min(kind.behind(chunk), file.size)
        if end > begin or file.size - begin < kind.head_bytes or sniff(file.at(begin, _HEAD)):
            return file.size if file.size - end < kind.head_bytes else end
    return at


def _is_plausible(chunk: _Chunk, file: Bytes, kind: _Kind) -> bool:
    if sniff(file.at(chunk.body - kind.head_bytes, _HEAD)):
        return False
    is_name = all(0x20 <= byte < 0x7F for byte in chunk.name[:4])
    return is_name and 0 <= chunk.size <= file.size - chunk.body


def _promise(size: int, bytes_per_s: float) -> str:
    if bytes_per_s:
        return f"its header promises {size / bytes_per_s:.2f} s"
    return f"its header promises {size} bytes of sound"


def _bytes_per_s(kind: _Kind, chunk: _Chunk, file: Bytes) -> float:
    """Return the bytes of a second, if this chunk gives them."""
    body = file.at(chunk.body, 32)
    if chunk.name[:4] == b"fmt " and len(body) >= 16:
        order = ">" if kind.size_format == ">I" else "<"
        return float(struct.unpack(f"{order}I", body[8:12])[0])
    if chunk.name == b"COMM" and len(body) >= 18:
        channels, _, bits, exponent, mantissa = struct.unpack(">HIHHQ", body[:18])
        rate = math.ldexp(mantissa, exponent - 16383 - 63) if exponent < 16383 + 64 else 0.0
        return float(channels * bits / 8 * rate)
    if chunk.name == b"desc" and len(body) >= 24:
        rate, _, _, packet, frames = struct.unpack(">d4sIII", body[:24])
        return float(rate * packet / frames) if frames and 0 < rate < _FASTEST_HZ else 0.0
    return 0.0


_FASTEST_HZ = 1e9
_AU_HEAD = 24
"""The shortest header of an AU file."""


def au_part(file: Bytes, start: int) -> Iterator[Part]:
    """Yield the recording of an AU file that begins at an offset."""
    yield _au(file, start, file.at(start, _HEAD))


def _au(file: Bytes, start: int, head: bytes) -> Part:
    offset, size, coding, rate, channels = struct.unpack(">IIIII", head[4:24].ljust(20, b"\0"))
    present = file.size - start - offset
    if size in (0xFFFF_FFFF, present) or present < 0 or offset < _AU_HEAD:
        return Part(start, file.size)
    bytes_per_s = rate * channels * {1: 1, 27: 1, 2: 1, 3: 2, 4: 3, 5: 4, 6: 4, 7: 8}.get(coding, 0)
    unknown = file.at(start, 8) + b"\xff\xff\xff\xff" + file.at(start + 12, max(0, offset - 12))
    if size > present:
        lost = size - present > SLACK_S * bytes_per_s and size < UNFINISHED
        return Part(start, file.size, unknown, missing=_promise(size, bytes_per_s) if lost else "")
    behind = start + offset + size
    if sniff(file.at(behind, _HEAD)):
        return Part(start, behind)
    if (other := next_begin(file, start + offset, behind)) is not None:
        missing = _promise(size, bytes_per_s)
        return Part(start, other, unknown, missing=missing)
    if file.zeros_before(behind, file.size) == present - size:
        return Part(start, behind)
    message = f"its header says {size} bytes of sound, and {present} are there: all are decoded"
    warnings = (SourceWarning("header", message),) if size else ()
    return Part(start, file.size, unknown, warnings=warnings)
