"""Raw PCM from a byte stream, such as standard input."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np

from ser_rt.config import SAMPLE_RATE
from ser_rt.errors import AudioDecodeError, AudioInputError, ConfigError
from ser_rt.runtime.audio import AudioChunk, AudioSource, ChunkMaker
from ser_rt.runtime.defaults import PCM_ENCODINGS

READ_BYTES = 32_768


class ByteStream(Protocol):
    """A buffered binary stream, such as ``sys.stdin.buffer``."""

    def read1(self, size: int, /) -> bytes:
        """Return 1 to ``size`` bytes as soon as there are any; none at the end."""
        ...


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
    ) -> None:
        """Name the stream, the rate in Hz to convert to, and what the bytes are."""
        if encoding not in PCM_ENCODINGS:
            msg = f"no encoding {encoding!r}; there are {', '.join(PCM_ENCODINGS)}"
            raise ConfigError(msg)
        if not 1 <= channels <= 64:
            msg = f"channels must be within 1 and 64, not {channels}"
            raise ConfigError(msg)
        self._stream = stream
        self._channels = channels
        self._dtype: np.dtype[Any] = np.dtype(PCM_ENCODINGS[encoding])
        self._maker = ChunkMaker(rate, sample_rate)

    def __iter__(self) -> Iterator[AudioChunk]:
        """Yield chunks as bytes come."""
        frame_bytes = self._dtype.itemsize * self._channels
        rest, has_audio = b"", False
        while data := self._read():
            data = rest + data
            whole = len(data) - len(data) % frame_bytes
            data, rest = data[:whole], data[whole:]
            if not data:
                continue
            has_audio = True
            frames = np.frombuffer(data, self._dtype).astype(self._dtype.newbyteorder("="))
            yield self._maker.feed(frames.reshape(-1, self._channels))
        if not has_audio:
            msg = "the input holds no audio"
            raise AudioDecodeError(msg)
        if rest:
            self._maker.warn("trailing_bytes", f"the last {len(rest)} bytes are no whole frame")
        yield self._maker.flush()

    def _read(self) -> bytes:
        before = time.monotonic()
        try:
            return self._stream.read1(READ_BYTES)
        except OSError as error:
            msg = f"the input cannot be read: {error.strerror}"
            raise AudioInputError(msg) from error
        finally:
            self.waited_s += time.monotonic() - before
