"""Standard input as a source: its format is known by its first bytes."""

from __future__ import annotations

from ser_rt.audio.block import read_up_to
from ser_rt.audio.channels import Channel
from ser_rt.audio.chunk import AudioSource
from ser_rt.audio.decoding.decoders import open_stream
from ser_rt.audio.decoding.formats import sniff
from ser_rt.audio.decoding.passing import Prompt, PutBack, first_bytes
from ser_rt.audio.sources.file import FileSource
from ser_rt.audio.sources.pcm import ByteStream, PcmSource
from ser_rt.constants import SAMPLE_RATE
from ser_rt.errors import AudioDecodeError, ConfigError

NAME = "the input"
_LEAST = 12
"""Bytes from which a WAV header is known."""


def open_bytes(
    stream: ByteStream,
    sample_rate: int = SAMPLE_RATE,
    *,
    rate: int | None = None,
    channels: int | None = None,
    encoding: str | None = None,
    track: int | None = None,
    channel: Channel = None,
) -> AudioSource:
    """Return the source of a stream: raw PCM if arguments describe it, else any format.

    Args:
        stream: The bytes.
        sample_rate: Rate in Hz to convert to.
        rate: Of raw PCM, in Hz; 16 kHz if one of the two behind it is given.
        channels: Of raw PCM; 1 if one of the others is given.
        encoding: Of raw PCM; ``s16le`` if one of the others is given.
        track: As of `FileSource`.
        channel: As of `FileSource`.

    Raises:
        AudioDecodeError: It is in no format that is known, or cannot be read.
        ConfigError: It is WAV, whose header gives the values of the arguments.
    """
    named = {"--rate": rate, "--channels": channels, "--encoding": encoding}
    given = [flag for flag, value in named.items() if value is not None]
    head = _head(stream, raw=bool(given))
    bytes_, found = PutBack(head, Prompt(stream.read1)), sniff(head)
    if given:
        if found == "WAV":
            msg = f"the input is WAV, whose header replaces {given[0]}: leave it out"
            raise ConfigError(msg)
        return PcmSource(
            bytes_,
            sample_rate,
            rate=SAMPLE_RATE if rate is None else rate,
            channels=1 if channels is None else channels,
            encoding=encoding or "s16le",
            channel=channel,
        )
    if not head:
        msg = f"{NAME} holds no audio"
        raise AudioDecodeError(msg)
    if found is None:
        msg = (
            f"{NAME} is in no format that is known; if it is raw PCM, describe it: "
            "--encoding s16le, --rate 16000, --channels 1"
        )
        raise AudioDecodeError(msg)
    return FileSource(
        NAME,
        sample_rate,
        track=track,
        channel=channel,
        open_file=lambda name, track: open_stream(bytes_, name, track=track),
    )


def _head(stream: ByteStream, *, raw: bool) -> bytes:
    try:
        return read_up_to(stream.read1, _LEAST) if raw else first_bytes(stream.read1)
    except OSError as error:
        msg = f"{NAME} cannot be read: {error.strerror}"
        raise AudioDecodeError(msg) from error
