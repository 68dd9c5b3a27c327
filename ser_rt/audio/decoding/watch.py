"""Follows the structure of recordings as bytes pass: where the next one begins, and what is cut.

What `containers` sees in a file that is there, for one that comes: from the head of each page, box,
element or tag the place of the next one is known, and what is between is passed over.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from ser_rt.audio.decoding.chunked import SLACK_BYTES, UNFINISHED
from ser_rt.audio.decoding.containers import CUT_OFF, EBML, ELEMENTS, MASTERS, element_size
from ser_rt.audio.decoding.formats import sniff


class _Step(NamedTuple):
    """What the head of a unit says.

    Attributes:
        size: Bytes to the head of the next unit.
        begins: Whether it begins another recording.
        has_sound: Whether it holds some of the sound.
        ends: Whether it is the last unit of its recording.
    """

    size: int
    begins: bool = False
    has_sound: bool = False
    ends: bool = False


_LOST = _Step(0)
"""What is there is no unit."""


def _ogg(head: bytes) -> _Step | None:
    if head[:4] != b"OggS"[: len(head)]:
        return _LOST
    if len(head) < 27 or len(head) < 27 + head[26]:
        return None
    flags, size = head[5], 27 + head[26] + sum(head[27 : 27 + head[26]])
    begins = bool(flags & 2)
    return _Step(size, begins, has_sound=not begins, ends=bool(flags & 4))


def _mp4(head: bytes) -> _Step | None:
    if len(head) < 16:
        return None
    size, name = int.from_bytes(head[:4], "big"), head[4:8]
    if size == 1:
        size = int.from_bytes(head[8:16], "big")
    if size < 8 or not all(0x20 <= byte < 0x7F for byte in name):
        return _LOST
    return _Step(size, begins=name == b"ftyp", has_sound=name in (b"mdat", b"moof"))


def _matroska(head: bytes) -> _Step | None:
    if len(head) < 12:
        return None
    name_bytes = 9 - head[0].bit_length()
    name = head[:name_bytes]
    if name_bytes > 4:
        return _LOST
    size, body = element_size(head[name_bytes:], name_bytes)
    if name == EBML or name in MASTERS or size is None:
        return _Step(body if name in MASTERS or size is None else body + size, name == EBML)
    return _Step(body + size, has_sound=name in ELEMENTS)


def _flv(head: bytes) -> _Step | None:
    if head[:4] == b"FLV\x01":
        return _Step(9, begins=True) if len(head) >= 9 else None
    if len(head) < 15:
        return None
    if head[4:8] == b"FLV\x01":
        return _Step(4)
    if head[4] & 0x1F not in (8, 9, 18):
        return _LOST
    return _Step(15 + int.from_bytes(head[5:8], "big"), has_sound=True)


def _wav(head: bytes) -> _Step | None:
    if len(head) < 12:
        return None
    if head[:4] == b"RIFF":
        return _Step(12, begins=True)
    size = int.from_bytes(head[4:8], "little")
    is_known = size < UNFINISHED and all(0x20 <= byte < 0x7F for byte in head[:4])
    return _Step(8 + size + size % 2, has_sound=head[:4] == b"data") if is_known else _LOST


_STEPS: dict[str, Callable[[bytes], _Step | None]] = {
    "Ogg": _ogg,
    "MP4": _mp4,
    "Matroska or WebM": _matroska,
    "FLV": _flv,
    "WAV": _wav,
}
_LONGEST_HEAD = 27 + 255


class Cut(NamedTuple):
    """Where another recording begins.

    Attributes:
        at: How many of the bytes are before it.
        begun: Those of its bytes that came before them.
    """

    at: int
    begun: bytes


class StructureWatcher:
    """The structure of one recording in a stream of bytes."""

    def __init__(self, head: bytes) -> None:
        """Follow a stream that begins so."""
        self._name = sniff(head)
        self._step = _STEPS.get(self._name or "")
        self._skip, self._head = 0, b""
        self._last = _Step(0)
        self._has_sound = False

    @property
    def missing(self) -> str:
        """Why the recording is known to be cut off; empty if it is not."""
        if self._step is None:
            return ""
        if self._name == "Ogg" and self._head:
            return "it breaks off within a page"
        slack = SLACK_BYTES if self._name == "WAV" else 0
        return CUT_OFF if self._skip > slack and self._last.has_sound else ""

    @property
    def has_no_end_mark(self) -> bool:
        """Whether the recording lacks the mark that its last part should have."""
        return self._step is not None and self._name == "Ogg" and not self._last.ends

    def feed(self, data: bytes) -> Cut | None:
        """Take bytes; return where another recording begins in them, if one does."""
        at = 0
        while self._step is not None and at < len(data):
            if self._skip:
                passed = min(self._skip, len(data) - at)
                at, self._skip = at + passed, self._skip - passed
                continue
            begun = self._head
            head = begun + data[at : at + _LONGEST_HEAD - len(begun)]
            step = self._step(head)
            if step is None and len(head) < _LONGEST_HEAD:
                self._head = head
                return None
            if step is None or step.size <= 0:
                self._step = None
                return None
            if step.begins and self._has_sound:
                self._head = b""
                return Cut(at, begun)
            self._has_sound |= step.has_sound
            self._last = step
            self._head = head[step.size : len(begun)]  # what came of the next unit before
            self._skip = max(0, step.size - len(begun))
        return None
