"""Raw PCM from a byte stream, such as standard input."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ser_rt.audio.block import Block, SourceWarning
from ser_rt.audio.channels import Channel
from ser_rt.audio.chunk import AudioChunk, AudioSource
from ser_rt.audio.converter import BlockConverter
from ser_rt.audio.samples import checked_rate
from ser_rt.checks import whole
from ser_rt.constants import PCM_ENCODINGS, SAMPLE_RATE
from ser_rt.errors import AudioDecodeError, AudioInputError, ConfigError

READ_BYTES = 32_768
PIECE_S = 0.5
"""Longest block; between blocks of a server, other streams get their turn."""


class ByteStream(Protocol):
    """A buffered binary stream, such as ``sys.stdin.buffer``."""

    def read1(self, size: int, /) -> bytes:
        """Return 1 to ``size`` bytes as soon as there are any; none at the end."""


class PcmDecoder:
    """Decoder of raw samples, channels interleaved; where their bytes are cut does not matter."""

    def __init__(self, rate: int, channels: int, encoding: str) -> None:
        self._rate, self._channels, self._encoding = rate, channels, encoding
        self._frame_bytes = PCM_ENCODINGS[encoding] * channels
        self._piece_bytes = round(PIECE_S * rate) * self._frame_bytes
        self._frame, self._rest = 0, b""

    @property
    def trailing_bytes(self) -> int:
        """Number of bytes at the end that are less than a sample of each channel."""
        return len(self._rest)

    def feed(self, data: bytes) -> Iterator[Block]:
        """Yield the blocks that the bytes complete, of at most `PIECE_S`."""
        data = self._rest + data
        whole = len(data) - len(data) % self._frame_bytes
        self._rest = data[whole:]
        for start in range(0, whole, self._piece_bytes):
            piece = decoded(data[start : min(whole, start + self._piece_bytes)], self._encoding)
            samples = piece.reshape(-1, self._channels)
            yield Block(samples, self._rate, self._frame / self._rate)
            self._frame += len(samples)

    def skip(self, seconds: float) -> None:
        """Advance the time of the next block past a gap."""
        self._frame += round(seconds * self._rate)

    def flush(self) -> Iterator[Block]:
        """Yield nothing: every whole sample has been yielded."""
        return iter(())

    def close(self) -> None:
        """Do nothing: there is nothing to release."""


class PcmSource(AudioSource):
    """Samples without a header; reads may end anywhere, even within a sample.

    Raises:
        AudioInputError: A sample is NaN, infinite or out of range, or the rate is impossible.
        AudioDecodeError: The stream ends before the first sample.
    """

    def __init__(
        self,
        stream: ByteStream,
        sample_rate: int = SAMPLE_RATE,
        *,
        rate: int = SAMPLE_RATE,
        channels: int = 1,
        encoding: str = "s16le",
        channel: Channel = None,
    ) -> None:
        """Name the stream, the rate in Hz to convert to, the encoding, and the channel to use."""
        if encoding not in PCM_ENCODINGS:
            msg = f"no encoding {encoding!r}; there are {', '.join(PCM_ENCODINGS)}"
            raise ConfigError(msg)
        count = whole(channels)
        if count is None or not 1 <= count <= 64:
            msg = f"channels must be within 1 and 64, not {channels!r}"
            raise ConfigError(msg)
        self._stream = stream
        self._decoder = PcmDecoder(checked_rate(rate), count, encoding)
        self._converter = BlockConverter(sample_rate, channel=channel)

    def __iter__(self) -> Iterator[AudioChunk]:
        warnings, has_audio = tuple[SourceWarning, ...](), False
        while data := self._read():
            for block in self._decoder.feed(data):
                has_audio = True
                yield from self._converter.feed(block)
        if not has_audio:
            msg = "the input holds no audio"
            raise AudioDecodeError(msg)
        if self._decoder.trailing_bytes:
            message = f"the last {self._decoder.trailing_bytes} bytes are no whole frame"
            warnings = (SourceWarning("trailing_bytes", message),)
        for chunk in self._converter.flush():
            yield replace(chunk, warnings=chunk.warnings + warnings)

    def _read(self) -> bytes:
        before = time.monotonic()
        try:
            return self._stream.read1(READ_BYTES)
        except OSError as error:
            msg = f"the input cannot be read: {error.strerror}"
            raise AudioInputError(msg) from error
        finally:
            self.waited_s += time.monotonic() - before


def _mulaw() -> npt.NDArray[np.float32]:
    code = ~np.arange(256, dtype=np.uint8)
    exponent, mantissa = (code >> 4 & 7).astype(int), (code & 15).astype(int)
    size = (((mantissa << 3) + 0x84) << exponent) - 0x84
    return np.asarray(np.where(code & 0x80, -size, size) / 32768, np.float32)


def _alaw() -> npt.NDArray[np.float32]:
    code = np.arange(256, dtype=np.uint8) ^ 0x55
    exponent, mantissa = (code >> 4 & 7).astype(int), (code & 15).astype(int)
    size = np.where(exponent, ((mantissa << 4) + 0x108) << np.maximum(exponent - 1, 0), 0)
    size = np.where(exponent, size, (mantissa << 4) + 8)
    return np.asarray(np.where(code & 0x80, size, -size) / 32768, np.float32)


G711 = {"mulaw": _mulaw(), "alaw": _alaw()}
"""Value of each of the 256 codes (ITU-T G.711), in [-1, 1]."""


def decoded(data: bytes, encoding: str) -> npt.NDArray[Any]:
    """Return bytes of raw PCM as int16 or float32 ``[samples]``; bytes are whole samples."""
    if encoding == "s16le":
        return np.frombuffer(data, "<i2").astype(np.int16)
    if encoding == "f32le":
        return np.frombuffer(data, "<f4").astype(np.float32)
    if encoding in G711:
        return np.asarray(G711[encoding][np.frombuffer(data, np.uint8)])
    if encoding == "u8":
        return ((np.frombuffer(data, np.uint8).astype(np.float32) - 128) / 128).astype(np.float32)
    if encoding == "s24le":
        # The fourth and lowest byte is zero: the sign is where it belongs.
        parts = np.frombuffer(data, np.uint8).reshape(-1, 3)
        data = np.pad(parts, ((0, 0), (1, 0))).tobytes()
    return (np.frombuffer(data, "<i4") / 2.0**31).astype(np.float32)
