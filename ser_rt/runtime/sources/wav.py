"""A WAV stream from a pipe, its header read as it comes."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from ser_rt.config import SAMPLE_RATE
from ser_rt.errors import AudioDecodeError
from ser_rt.runtime.audio import MAX_CHANNELS, AudioChunk, AudioSource
from ser_rt.runtime.sources.pcm import ByteStream, PcmSource

ENCODINGS = {(1, 8): "u8", (1, 16): "s16le", (1, 24): "s24le", (1, 32): "s32le", (3, 32): "f32le"}
"""Encoding of a WAV format tag (1 integers, 3 floats) and its bits."""

_EXTENSIBLE = 0xFFFE
_UNFINISHED = 0x7FFF_0000
"""A size from here on means that the writer did not know it."""


class WavStreamSource(AudioSource):
    """A WAV file that cannot be rewound; its length need not be known.

    Raises:
        AudioDecodeError: The header is broken, names an encoding that is not PCM, or a length that
            does not come.
    """

    def __init__(self, stream: ByteStream, sample_rate: int = SAMPLE_RATE) -> None:
        """Name the stream and the rate in Hz to convert to."""
        self._stream, self._sample_rate = stream, sample_rate

    def __iter__(self) -> Iterator[AudioChunk]:
        """Yield chunks as bytes come."""
        tag = bits = rate = channels = 0
        riff = self._exactly(12)
        if riff[:4] != b"RIFF" or riff[8:] != b"WAVE":
            msg = "the input does not begin as a WAV file does"
            raise AudioDecodeError(msg)
        while (name := self._exactly(4)) != b"data":
            (size,) = struct.unpack("<I", self._exactly(4))
            body = self._exactly(size + size % 2)
            if name == b"fmt " and size >= 16:
                tag, channels, rate, _, _, bits = struct.unpack("<HHIIHH", body[:16])
                if tag == _EXTENSIBLE and size >= 26:
                    (tag,) = struct.unpack("<H", body[24:26])
        (size,) = struct.unpack("<I", self._exactly(4))
        if (tag, bits) not in ENCODINGS:
            msg = f"the input is a WAV file of format {tag} with {bits} bits, which is no plain PCM"
            raise AudioDecodeError(msg)
        if not 1 <= channels <= MAX_CHANNELS:
            msg = f"the input is a WAV file of {channels} channels, not of 1 to {MAX_CHANNELS}"
            raise AudioDecodeError(msg)
        data = self._stream
        if 0 < size < _UNFINISHED:
            data = _Limited(data, size, bytes_per_s=rate * channels * bits // 8)
        pcm = PcmSource(
            data,
            self._sample_rate,
            rate=rate,
            channels=channels,
            encoding=ENCODINGS[tag, bits],
        )
        for chunk in pcm:
            self.waited_s = pcm.waited_s
            yield chunk

    def _exactly(self, count: int) -> bytes:
        found = b""
        while len(found) < count:
            more = self._stream.read1(count - len(found))
            if not more:
                msg = "the input ends within its WAV header"
                raise AudioDecodeError(msg)
            found += more
        return found


class _Limited:
    """The first bytes of a stream; chunks of other data may follow the samples."""

    def __init__(self, stream: ByteStream, size: int, *, bytes_per_s: int) -> None:
        self._stream, self._size, self._left = stream, size, size
        self._bytes_per_s = bytes_per_s

    def read1(self, size: int, /) -> bytes:
        if not self._left:
            return b""
        data = self._stream.read1(min(size, self._left))
        if not data:
            seconds = (self._size - self._left) / self._bytes_per_s
            promised = self._size / self._bytes_per_s
            msg = f"the input is truncated at {seconds:.2f} s; its header promised {promised:.2f} s"
            raise AudioDecodeError(msg)
        self._left -= len(data)
        return data
