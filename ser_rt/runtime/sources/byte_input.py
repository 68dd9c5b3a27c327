"""What comes on standard input, told by its first bytes."""

from __future__ import annotations

from ser_rt.config import SAMPLE_RATE
from ser_rt.errors import AudioDecodeError, ConfigError
from ser_rt.runtime.audio import AudioSource
from ser_rt.runtime.sources.pcm import ByteStream, PcmSource
from ser_rt.runtime.sources.wav import WavStreamSource

_HEAD_BYTES = 8
"""Enough to know every format below."""

_CONTAINERS = {
    (0, b"fLaC"): "FLAC",
    (0, b"OggS"): "Ogg",
    (0, b"ID3"): "MP3",
    (0, b"\x1a\x45\xdf\xa3"): "Matroska or WebM",
    (0, b"RF64"): "RF64",
    (4, b"ftyp"): "MP4",
}
"""Name of a format that raw PCM would be mistaken for, by where its mark is, and the mark."""


def open_bytes(
    stream: ByteStream,
    sample_rate: int = SAMPLE_RATE,
    *,
    rate: int | None = None,
    channels: int | None = None,
    encoding: str | None = None,
) -> AudioSource:
    """Return the source of a WAV stream, or of raw PCM that is as the arguments say.

    Raises:
        AudioDecodeError: It is compressed, or cannot be read.
        ConfigError: It is WAV, whose header says what the arguments say as well.
    """
    head = _head(stream)
    stream = _PutBack(head, stream)
    named = {"--rate": rate, "--channels": channels, "--encoding": encoding}
    given = [flag for flag, value in named.items() if value is not None]
    if head.startswith(b"RIFF"):
        if given:
            msg = f"the input is WAV, whose header says what {given[0]} would: leave it out"
            raise ConfigError(msg)
        return WavStreamSource(stream, sample_rate)
    for (at, mark), name in _CONTAINERS.items():
        if not given and head[at:].startswith(mark):
            msg = f"the input is {name}, not WAV or raw PCM: ffmpeg -i - -f wav - | ser-stream -"
            raise AudioDecodeError(msg)
    return PcmSource(
        stream,
        sample_rate,
        rate=SAMPLE_RATE if rate is None else rate,
        channels=1 if channels is None else channels,
        encoding=encoding or "s16le",
    )


def _head(stream: ByteStream) -> bytes:
    head = b""
    try:
        while len(head) < _HEAD_BYTES and (more := stream.read1(_HEAD_BYTES - len(head))):
            head += more
    except OSError as error:
        msg = f"the input cannot be read: {error.strerror}"
        raise AudioDecodeError(msg) from error
    return head


class _PutBack:
    """A stream with what was read of it before it."""

    def __init__(self, head: bytes, stream: ByteStream) -> None:
        self._head, self._stream = head, stream

    def read1(self, size: int, /) -> bytes:
        if not self._head:
            return self._stream.read1(size)
        data, self._head = self._head[:size], self._head[size:]
        return data
