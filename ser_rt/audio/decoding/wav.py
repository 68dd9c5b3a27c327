"""`WavDecoder`: WAV with plain samples as it comes, whose header may say anything of its length."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator

import numpy as np

from ser_rt.audio.block import Block, Decoder, SourceWarning, read_up_to
from ser_rt.audio.decoding.ending import Ending
from ser_rt.audio.decoding.formats import SNIFFED_BYTES, sniff
from ser_rt.audio.decoding.mp3 import tag_bytes
from ser_rt.audio.decoding.passing import PutBack, TimedReader, first_bytes
from ser_rt.audio.decoding.pcm import PcmDecoder
from ser_rt.audio.samples import MAX_CHANNELS, checked_rate
from ser_rt.errors import AudioDecodeError

ENCODINGS = {
    (1, 8): "u8",
    (1, 16): "s16le",
    (1, 24): "s24le",
    (1, 32): "s32le",
    (3, 32): "f32le",
    (6, 8): "alaw",
    (7, 8): "mulaw",
}
"""Encoding of a WAV format tag (1 integers, 3 floats, 6 and 7 G.711) and its bits."""

_EXTENSIBLE = 0xFFFE
_UNFINISHED = 0x7FFF_0000
"""A size from here on means that the writer did not know it."""

_HEAD = 64
"""Bytes with the format in them, of most files."""

_READ_BYTES = 32_768
_SLACK_S = 0.05
_LONGEST_SKIP = 1 << 30


def is_plain_wav(head: bytes) -> bool:
    """Return whether the samples of a WAV file that begins so can be taken as they are."""
    at = head.find(b"fmt ", 12)
    if at < 0:
        return False
    if at > len(head) - 34:
        return head[:4] == b"RIFF"
    tag, bits = *struct.unpack_from("<H", head, at + 8), *struct.unpack_from("<H", head, at + 22)
    if tag == _EXTENSIBLE:
        (tag,) = struct.unpack_from("<H", head, at + 32)
    return head[:4] == b"RIFF" and (tag, bits) in ENCODINGS


class WavDecoder:
    """WAV files that cannot be rewound, and what follows them; nothing is waited for."""

    is_endless = False

    def __init__(
        self, stream: PutBack, name: str, *, open_other: Callable[[PutBack, str], Decoder]
    ) -> None:
        """Read the header; the stream is closed with this, and ``open_other`` opens what follows.

        Raises:
            AudioDecodeError: The header is broken, or names an encoding that is not PCM.
        """
        self._timed = TimedReader(stream, name)
        self._stream, self._name, self._open_other = PutBack(b"", self._timed), name, open_other
        self._other: Decoder | None = None
        self._data, self._pcm, self.sample_rate = self._opened(self._begun())

    @property
    def waited_s(self) -> float:
        """Seconds spent waiting for bytes to come."""
        return self._timed.waited_s + (0.0 if self._other is None else self._other.waited_s)

    def blocks(self, block_s: float) -> Iterator[Block]:
        """Yield blocks of at most ``block_s`` seconds, as soon as there are any samples.

        Raises:
            AudioDecodeError: Behind the last block, if fewer came than the header promises.
        """
        end_s = 0.0
        while True:
            self._pcm.skip(end_s)
            while data := self._data.read(_READ_BYTES):
                for block in self._pcm.feed(data, block_s):
                    end_s = block.start_s + len(block.samples) / block.sample_rate
                    yield block
            yield from self._noted(end_s)
            head = self._begun(self._data.next_head) if self._data.next_head else b""
            if not head:
                return
            if not is_plain_wav(head):
                break
            self._data, self._pcm, _ = self._opened(head)
        self._other = self._open_other(PutBack(head, self._stream), self._name)
        for block in self._other.blocks(block_s):
            yield block._replace(start_s=end_s + block.start_s)

    def _noted(self, end_s: float) -> Iterator[Block]:
        """Yield what is to say at the end of a recording."""
        warnings = list(self._data.ending(self._head).warnings)
        if self._pcm.trailing_bytes:
            message = f"the last {self._pcm.trailing_bytes} bytes are no whole frame"
            warnings.append(SourceWarning("trailing_bytes", message))
        if self._data.has_more:
            message = "it goes on behind the length in its header: all of it is decoded"
            warnings.append(SourceWarning("header", message))
        if warnings:
            nothing = np.zeros((0, 1), np.float32)
            yield Block(nothing, self.sample_rate, end_s, tuple(warnings))

    def close(self) -> None:
        """Close the stream."""
        if self._other is not None:
            self._other.close()
        self._stream.close()

    def _read(self, size: int) -> bytes:
        return self._stream.read(size)

    def _begun(self, read: bytes = b"") -> bytes:
        """Return the first bytes of a recording, which stay in the stream."""
        head = read_up_to(self._read, _HEAD, read)
        if tag_bytes(head):
            self._stream = PutBack(head, self._stream)
            head = first_bytes(self._read)
        return head

    def _opened(self, head: bytes) -> tuple[_Sound, PcmDecoder, int]:
        """Read a header; return the sound behind it, its decoder and its rate."""
        self._head, self._stream = head, PutBack(head, self._stream)
        start = self._exactly(12)
        if start[:4] != b"RIFF" or start[8:] != b"WAVE":
            msg = f"{self._name} does not begin as a WAV file does"
            raise AudioDecodeError(msg)
        tag = bits = rate = channels = 0
        while (name := self._exactly(4)) != b"data":
            (size,) = struct.unpack("<I", self._exactly(4))
            body = self._exactly(size + size % 2)
            if name == b"fmt " and size >= 16:
                tag, channels, rate, _, frame, bits = struct.unpack("<HHIIHH", body[:16])
                if channels and frame % channels == 0 and tag in (1, _EXTENSIBLE):
                    bits = max(bits, 8 * frame // channels)  # 24 bits may be in 32
                if tag == _EXTENSIBLE and size >= 26:
                    (tag,) = struct.unpack("<H", body[24:26])
        (size,) = struct.unpack("<I", self._exactly(4))
        if (tag, bits) not in ENCODINGS:
            msg = f"{self._name} is WAV of format {tag} with {bits} bits, which is no plain PCM"
            raise AudioDecodeError(msg)
        if not 1 <= channels <= MAX_CHANNELS:
            msg = f"{self._name} is WAV of {channels} channels, not of 1 to {MAX_CHANNELS}"
            raise AudioDecodeError(msg)
        rate = checked_rate(rate)
        known = size if 0 < size < _UNFINISHED else None
        sound = _Sound(self._read, self._name, known, bytes_per_s=rate * channels * bits // 8)
        return sound, PcmDecoder(rate, channels, ENCODINGS[tag, bits]), rate

    def _exactly(self, count: int) -> bytes:
        found = read_up_to(self._read, count)
        if len(found) < count:
            msg = f"{self._name} ends within its WAV header"
            raise AudioDecodeError(msg)
        return found


class _Sound:
    """The sound of a stream, and the chunks, sound or file that follow it.

    Attributes:
        has_more: Whether there was more sound than there should be.
        next_head: The first bytes of the next file; none if this was the last.
    """

    def __init__(
        self, read: Callable[[int], bytes], name: str, size: int | None, *, bytes_per_s: int
    ) -> None:
        self._from, self._name = read, name
        self._size, self._left, self._bytes_per_s = size, size, bytes_per_s
        self._put_back, self.next_head, self.has_more = b"", b"", False
        self._count = self._zeros = 0

    def ending(self, head: bytes) -> Ending:
        """Return how it ends, of a file with these first bytes."""
        return Ending(self._count, self._zeros, b"", head)

    def read(self, size: int, /) -> bytes:
        """Return up to ``size`` bytes; none at the end of the sound."""
        data = self._taken(size)
        zeros = len(data) - len(data.rstrip(b"\0"))
        self._count += len(data)
        self._zeros = zeros + (self._zeros if zeros == len(data) else 0)
        return data

    def _taken(self, size: int) -> bytes:
        if self._put_back:
            data, self._put_back = self._put_back[:size], self._put_back[size:]
            return data
        if self._left is None:
            data = b"" if self.next_head else self._from(size)
            self.has_more |= self._size is not None and bool(data.strip(b"\0"))
            return data
        if not self._left:
            self._left = None
            return self._behind(size)
        data = self._from(min(size, self._left))
        self._left -= len(data)
        if not data:
            self._check_end()
        return data

    def _check_end(self) -> None:
        assert self._size is not None  # noqa: S101 (for the type checker)
        missing = self._left or 0
        self._left = None
        if missing > _SLACK_S * self._bytes_per_s:
            seconds = (self._size - missing) / self._bytes_per_s
            promised_s = self._size / self._bytes_per_s
            msg = f"{self._name} is truncated at {seconds:.2f} s: its header promises "
            raise AudioDecodeError(msg + f"{promised_s:.2f} s")

    def _behind(self, size: int) -> bytes:
        """Pass over chunks; return sound that follows, or nothing at another file or the end."""
        padding = (self._size or 0) % 2
        while True:
            head = read_up_to(self._from, 8 + padding)
            name, length = head[padding : padding + 4], head[padding + 4 : padding + 8]
            if len(length) < 4:
                return b""  # a few bytes of padding
            if name == b"RIFF":
                self.next_head = head[padding:]
                return b""
            (count,) = struct.unpack("<I", length)
            if name == b"data" and count:
                self._size = self._left = count
                return self._taken(size)
            if not name.strip(b"\0") or not all(0x20 <= byte < 0x7F for byte in name):
                head = read_up_to(self._from, SNIFFED_BYTES, head)
                if sniff(head[padding:]) is not None:
                    self.next_head = head[padding:]
                    return b""
                self.has_more, self._put_back = bool(head.strip(b"\0")), head  # silence, or padding
                return self._taken(size)
            if count > _LONGEST_SKIP:
                return b""
            read_up_to(self._from, count)
            padding = count % 2
