"""`WavStreamSource`: WAV from a pipe, read without waiting for more than is needed."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import replace

from ser_rt.audio.block import SourceWarning, read_up_to
from ser_rt.audio.channels import Channel
from ser_rt.audio.chunk import SILENCE, AudioChunk, AudioSource
from ser_rt.audio.decoding.decoders import open_stream
from ser_rt.audio.decoding.formats import SNIFFED_BYTES, sniff
from ser_rt.audio.decoding.mp3 import tag_bytes
from ser_rt.audio.decoding.passing import Prompt, PutBack, first_bytes
from ser_rt.audio.samples import MAX_CHANNELS
from ser_rt.audio.sources.file import FileSource
from ser_rt.audio.sources.pcm import ByteStream, PcmSource
from ser_rt.constants import SAMPLE_RATE
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

_SLACK_S = 0.05
_LONGEST_SKIP = 1 << 30


class WavStreamSource(AudioSource):
    """WAV files that cannot be rewound, one after the other; their length need not be known.

    Raises:
        AudioDecodeError: The header is broken, names an encoding that is not PCM, or a length that
            does not come.
    """

    def __init__(
        self, stream: ByteStream, sample_rate: int = SAMPLE_RATE, *, channel: Channel = None
    ) -> None:
        """Name the stream, the rate in Hz to convert to, and the channel to use."""
        self._stream, self._sample_rate, self._channel = stream, sample_rate, channel

    def __iter__(self) -> Iterator[AudioChunk]:
        start, waited_s, head = 0, 0.0, self._begun()
        while head:
            is_other = start > 0 and not is_plain(head)
            data, source = self._other() if is_other else self._opened()
            end = start
            for chunk in source:
                self.waited_s = waited_s + source.waited_s
                end = start + chunk.start + len(chunk.samples)
                yield replace(chunk, start=start + chunk.start)
            if data.has_more:
                message = "the input goes on behind the length in its header: all of it is decoded"
                warning = SourceWarning("header", message)
                yield AudioChunk(SILENCE, end, 0.0, warnings=(warning,))
            start, waited_s = end, self.waited_s
            head = self._begun(data.next_head) if data.next_head else b""

    def _begun(self, read: bytes = b"") -> bytes:
        """Return the first bytes of a recording, which stay in the stream."""
        head = read_up_to(self._stream.read1, _HEAD, read)
        if tag_bytes(head):
            head = first_bytes(PutBack(head, Prompt(self._stream.read1)).read)
        self._stream = PutBack(head, Prompt(self._stream.read1))
        return head

    def _other(self) -> tuple[_Limited, AudioSource]:
        """Return what follows in another format; nothing follows that."""
        stream = PutBack(b"", Prompt(self._stream.read1))
        source = FileSource(
            "the input",
            self._sample_rate,
            channel=self._channel,
            open_file=lambda name, track: open_stream(stream, name, track=track),
        )
        return _Limited(stream, 0, bytes_per_s=1), source

    def _opened(self) -> tuple[_Limited, AudioSource]:
        """Read a header; return the sound behind it."""
        start = self._exactly(12)
        if start[:4] != b"RIFF" or start[8:] != b"WAVE":
            msg = "the input does not begin as a WAV file does"
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
            msg = f"the input is a WAV file of format {tag} with {bits} bits, which is no plain PCM"
            raise AudioDecodeError(msg)
        if not 1 <= channels <= MAX_CHANNELS:
            msg = f"the input is a WAV file of {channels} channels, not of 1 to {MAX_CHANNELS}"
            raise AudioDecodeError(msg)
        size = size if 0 < size < _UNFINISHED else None
        data = _Limited(self._stream, size, bytes_per_s=rate * channels * bits // 8)
        encoding = ENCODINGS[tag, bits]
        return data, PcmSource(
            *(data, self._sample_rate),
            rate=rate,
            channels=channels,
            encoding=encoding,
            channel=self._channel,
        )

    def _exactly(self, count: int) -> bytes:
        found = read_up_to(self._stream.read1, count)
        if len(found) < count:
            msg = "the input ends within its WAV header"
            raise AudioDecodeError(msg)
        return found


def is_plain(head: bytes) -> bool:
    """Return whether the samples of a WAV file that begins so can be taken as they are."""
    at = head.find(b"fmt ", 12)
    if not 0 < at <= len(head) - 34:
        return head[:4] == b"RIFF"
    tag, bits = *struct.unpack_from("<H", head, at + 8), *struct.unpack_from("<H", head, at + 22)
    if tag == _EXTENSIBLE:
        (tag,) = struct.unpack_from("<H", head, at + 32)
    return head[:4] == b"RIFF" and (tag, bits) in ENCODINGS


class _Limited:
    """The sound of a stream, and the chunks, sound or file that follow it.

    Attributes:
        has_more: Whether there was more sound than there should be.
        next_head: The first bytes of the next file; none if this was the last.
    """

    def __init__(self, stream: ByteStream, size: int | None, *, bytes_per_s: int) -> None:
        self._stream, self._size, self._left = stream, size, size
        self._bytes_per_s = bytes_per_s
        self._put_back, self.next_head, self.has_more = b"", b"", False

    def read1(self, size: int, /) -> bytes:
        if self._put_back:
            data, self._put_back = self._put_back[:size], self._put_back[size:]
            return data
        if self._left is None:
            return b"" if self.next_head else self._stream.read1(size)
        if not self._left:
            self._left = None
            return self._behind(size)
        data = self._stream.read1(min(size, self._left))
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
            promised = self._size / self._bytes_per_s
            msg = f"the input is truncated at {seconds:.2f} s; its header promised {promised:.2f} s"
            raise AudioDecodeError(msg)

    def _behind(self, size: int) -> bytes:
        """Pass over chunks; return sound that follows, or nothing at another file or the end."""
        read, padding = self._stream.read1, (self._size or 0) % 2
        while True:
            head = read_up_to(read, 8 + padding)
            name, length = head[padding : padding + 4], head[padding + 4 : padding + 8]
            if len(length) < 4:
                return b""  # a few bytes of padding
            if name == b"RIFF":
                self.next_head = head[padding:]
                return b""
            (count,) = struct.unpack("<I", length)
            if name == b"data" and count:
                self._size = self._left = count
                return self.read1(size)
            if not name.strip(b"\0") or not all(0x20 <= byte < 0x7F for byte in name):
                head = read_up_to(read, SNIFFED_BYTES, head)
                if sniff(head[padding:]) is not None:
                    self.next_head = head[padding:]
                    return b""
                self.has_more, self._put_back = bool(head.strip(b"\0")), head
                return self.read1(size)
            if count > _LONGEST_SKIP:
                return b""
            read_up_to(read, count)
            padding = count % 2
