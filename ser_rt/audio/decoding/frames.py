"""`FrameFilter`: passes the frames of AAC (ADTS) and AMR on, and counts the bytes between them.

These formats have no container. FFmpeg skips or decodes other bytes without reporting them, and
everything behind would be early or late.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ser_rt.audio.block import Readable
from ser_rt.audio.decoding.adts import adts_bytes
from ser_rt.audio.decoding.begins import BEGINS, LONGEST
from ser_rt.audio.decoding.formats import SNIFFED_BYTES, sniff
from ser_rt.audio.decoding.mp3 import TAGS, tag_bytes

_READ_BYTES = 4096
_HEAD = 10
_MARKS = {
    b"#!AMR\n": (13, 14, 16, 18, 20, 21, 27, 32, 6, 0, 0, 0, 0, 0, 0, 1),
    b"#!AMR-WB\n": (18, 24, 33, 37, 41, 47, 51, 59, 61, 6, 0, 0, 0, 0, 1, 1),
}
"""First bytes of AMR files, and the length of a frame by its type (RFC 4867, 5.3; 3GPP 26.101)."""

_NO_DATA = 15
"""Type of an AMR frame that stands for a pause."""


def is_pause(frame: bytes) -> bool:
    """Return whether an AMR frame stands for a pause in speech."""
    return len(frame) == 1 and frame[0] >> 3 == _NO_DATA


@dataclass(frozen=True, slots=True)
class _Framing:
    """How frames are found.

    Attributes:
        begins: What their first bytes may be.
        length: Of the frame that some bytes begin, 0 if none.
        mark: Of what may stand between them.
        chain: How many in a row are no chance.
    """

    begins: re.Pattern[bytes]
    length: Callable[[bytes], int]
    mark: bytes
    chain: int


_ADTS = re.compile(rb"\xff(?=[\xf0\xf1\xf8\xf9])")
_AMR = re.compile(b"[%b]" % b"".join(b"\\x%02x" % byte for byte in range(4, 0x80, 8)))
"""Frames of good quality."""


def _framing(head: bytes) -> _Framing | None:
    for mark, sizes in _MARKS.items():
        if head.startswith(mark):
            return _Framing(_AMR, _amr_length(sizes), mark, chain=8)
    return _Framing(_ADTS, adts_bytes, b"ID3", chain=3) if adts_bytes(head) else None


def _amr_length(sizes: tuple[int, ...]) -> Callable[[bytes], int]:
    def length(head: bytes) -> int:
        is_none = head[0] & 0x83 or not any(head)  # zeros would be a frame of bad quality
        return 0 if is_none else sizes[head[0] >> 3]

    return length


def filtered(stream: Readable, head: bytes) -> FrameFilter | None:
    """Return the frames of a stream that begins so; None if its format has a container."""
    framing = _framing(head)
    return None if framing is None else FrameFilter(stream, framing)


class FrameFilter:
    """A stream of frames, with the bytes between them left out, up to another format.

    Attributes:
        rest: The first bytes of what begins there; none if the frames go on to the end.
        rest_at: Their offset.
    """

    def __init__(self, stream: Readable, framing: _Framing) -> None:
        self._stream, self._framing = stream, framing
        self._buffer = self._ready = b""
        self._passed = self._zeros = 0
        self._is_over, self._is_synced, self._is_tag = False, True, False
        self._lost: deque[tuple[int, int]] = deque()
        self._start = self.rest_at = 0
        self.rest = b""

    def read(self, size: int, /) -> bytes:
        """Return up to ``size`` bytes; none at the end."""
        while not self._ready and not self._is_over:
            data = self._stream.read(max(size, _READ_BYTES))
            self._is_over = not data
            self._buffer += data
            self._ready = b"".join(self._frames())
        data, self._ready = self._ready[:size], self._ready[size:]
        return data

    def lost_before(self, position: int | None = None) -> int:
        """Return how many bytes were left out since the last call, before a byte of this stream."""
        lost = 0
        while self._lost and (position is None or self._lost[0][0] <= position):
            lost += self._lost.popleft()[1]
        return lost

    def _frames(self) -> Iterator[bytes]:
        """Yield the whole frames of the buffer; incomplete ones stay in it."""
        data, at = self._buffer, 0
        while at < len(data):
            if not self._is_synced:
                if len(data) < at + SNIFFED_BYTES and not self._is_over:
                    break
                found, self._is_synced = self._next_chain(data, at)
                other = self._other(data, at, found)
                if other is not None:
                    self._leave_out(data[at:other])
                    self.rest, self.rest_at = data[other:], self._start + other
                    self._is_over, at = True, len(data)
                    break
                self._leave_out(data[at:found])
                at = found
                if not self._is_synced:
                    break
            if len(data) < at + _HEAD and not self._is_over:
                break
            is_frame, size = self._unit(data, at)
            end = at + size
            if end > len(data) and not self._is_over:
                break
            if is_frame:
                is_followed = self._is_followed(data, end)
                found, is_chain = (end, True) if is_followed else self._next_chain(data, at + 1)
                if is_chain and found < end:  # its length is damaged
                    self._leave_out(data[at:found])
                    at = found
                    continue
                self._passed += len(data[at:end])
                self._zeros = 0
                yield data[at:end]
            self._is_synced = size > 0
            self._is_tag = data.startswith(TAGS, at) and not size
            at = end
        self._buffer, self._start = data[at:], self._start + at

    def _other(self, data: bytes, at: int, end: int) -> int | None:
        """Return where another format begins in bytes that are no frames; None if none does."""
        if end == at or not self._passed:
            return None
        if sniff(data[at : at + SNIFFED_BYTES]) is not None:
            return at
        found = BEGINS.search(data, at, end + LONGEST)
        return found.start() if found is not None and found.start() < end else None

    def _unit(self, data: bytes, at: int) -> tuple[bool, int]:
        """Return whether a frame is at an offset, and its length; a tag between frames is none."""
        mark = self._framing.mark
        if not data.startswith(mark, at):
            size = self._framing.length(data[at : at + _HEAD])
            return size > 0, size
        size = tag_bytes(data[at : at + _HEAD]) or len(mark)
        return not self._passed, size

    def _leave_out(self, data: bytes) -> None:
        count = 0 if self._is_tag else len(data.rstrip(b"\0"))
        if count:
            self._lost.append((self._passed, self._zeros + count))
            self._zeros = 0
        self._zeros += len(data) - count

    def _is_followed(self, data: bytes, at: int) -> bool:
        """Return whether a frame, a tag or nothing is at an offset, as far as bytes have come."""
        return len(data) < at + _HEAD or self._unit(data, at)[1] > 0

    def _next_chain(self, data: bytes, at: int) -> tuple[int, bool]:
        """Return where frames in a row begin, and True; or where they may begin, and False."""
        begins, length, last = self._framing.begins, self._framing.length, len(data) - _HEAD
        for found in begins.finditer(data, at, max(at, last + 1) + 1):
            begin = end = found.start()
            if begin > last:
                break
            for _ in range(self._framing.chain):
                if end > last:
                    break
                size = length(data[end : end + _HEAD]) if begins.match(data, end) else 0
                if not size:
                    break
                end += size
            else:
                return begin, True
            if end > last and not self._is_over:
                return begin, False
            if end == len(data) and end > begin + _HEAD:
                return begin, True
        return len(data) if self._is_over else max(at, last + 1), False
