"""`PcmDecoder`: raw samples, as they are in memory or in WAV."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from ser_rt.audio.block import Block
from ser_rt.constants import PCM_ENCODINGS

PIECE_S = 0.5
"""Longest block; between blocks of a server, other streams get their turn."""


class PcmDecoder:
    """Decoder of raw samples, channels interleaved; where their bytes are cut does not matter."""

    def __init__(self, rate: int, channels: int, encoding: str) -> None:
        self._rate, self._channels, self._encoding = rate, channels, encoding
        self._frame_bytes = PCM_ENCODINGS[encoding] * channels
        self._frame, self._rest = 0, b""

    @property
    def trailing_bytes(self) -> int:
        """Number of bytes at the end that are less than a sample of each channel."""
        return len(self._rest)

    def feed(self, data: bytes, longest_s: float = PIECE_S) -> Iterator[Block]:
        """Yield the blocks that the bytes complete, of at most ``longest_s`` seconds."""
        size = max(1, round(longest_s * self._rate)) * self._frame_bytes
        data = self._rest + data
        whole = len(data) - len(data) % self._frame_bytes
        self._rest = data[whole:]
        for start in range(0, whole, size):
            piece = decoded(data[start : min(whole, start + size)], self._encoding)
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
