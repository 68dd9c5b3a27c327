"""Raw PCM from a byte stream, such as standard input."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Protocol

from ser_rt.audio.block import SourceWarning
from ser_rt.audio.channels import Channel
from ser_rt.audio.chunk import AudioChunk, AudioSource
from ser_rt.audio.converter import BlockConverter
from ser_rt.audio.decoding.pcm import PcmDecoder
from ser_rt.audio.samples import checked_rate
from ser_rt.checks import whole
from ser_rt.constants import PCM_ENCODINGS, SAMPLE_RATE
from ser_rt.errors import AudioDecodeError, AudioInputError, ConfigError

READ_BYTES = 32_768


class ByteStream(Protocol):
    """A buffered binary stream, such as ``sys.stdin.buffer``."""

    def read1(self, size: int, /) -> bytes:
        """Return 1 to ``size`` bytes as soon as there are any; none at the end."""


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
