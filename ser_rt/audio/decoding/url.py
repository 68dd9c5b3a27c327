"""Decoders of URLs: recordings are read by ranges, live streams by FFmpeg."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from ser_rt.audio.block import Block, Decoder
from ser_rt.audio.decoding.containers import POINTED, needs_end
from ser_rt.audio.decoding.decoders import open_audio, open_stream
from ser_rt.audio.decoding.ffmpeg import FfmpegDecoder
from ser_rt.audio.decoding.file_decoder import FileDecoder
from ser_rt.audio.decoding.formats import SNIFFED_BYTES, sniff
from ser_rt.audio.decoding.http import HttpFile
from ser_rt.audio.decoding.stream_decoder import StreamDecoder
from ser_rt.errors import AudioDecodeError

LIVE = ("rtsp", "rtsps", "rtmp", "rtmps", "srt", "udp", "rtp", "mms", "mmsh", "mmst")
"""Protocols of live streams: where one of these ends, it was lost."""


def open_url(
    url: str, timeout_s: float, *, track: int | None = None, reconnect: bool = True
) -> Decoder:
    """Open the audio of a URL.

    Args:
        url: http, https, file, or another scheme that FFmpeg knows.
        timeout_s: How long to wait for an answer.
        track: Which audio track, from 1; None for the one that it prefers.
        reconnect: Whether a recording whose connection is lost is requested again, from there.

    Raises:
        AudioDecodeError: It does not answer in time, or is not audio.
        AudioNotFoundError: It is a local file that is not there.
        AudioInputError: It has no such track.
    """
    parts = urlsplit(url)
    if parts.scheme == "file":
        return open_audio(Path(url2pathname(parts.path)), track=track)
    if parts.scheme not in ("http", "https"):
        return FfmpegDecoder(url, url, track=track, formats=None, timeout_s=timeout_s)
    file = HttpFile(url, timeout_s, reconnect=reconnect)
    try:
        if file.is_playlist:
            file.close()
            return FfmpegDecoder(url, url, track=track, formats=None, timeout_s=timeout_s)
        head = file.first(SNIFFED_BYTES)
        decoder: Decoder
        if file.size is None or sniff(head) is None:
            decoder = open_stream(file, url, track=track)
        elif needs_end(head) or sniff(head) in POINTED:
            decoder = FileDecoder(file, url, track=track, is_near=False)
        else:
            decoder = StreamDecoder(file, url, track=track)
        return _Fetched(decoder, file, url)
    except AudioDecodeError as error:
        file.close()
        raise file.broken or error from None
    except BaseException:
        file.close()
        raise


class _Fetched:
    """A recording from a server."""

    def __init__(self, decoder: Decoder, file: HttpFile, url: str) -> None:
        self._decoder, self._file, self._url = decoder, file, url
        self.sample_rate, self.is_endless = decoder.sample_rate, file.size is None
        self.is_live = file.is_live

    @property
    def waited_s(self) -> float:
        return self._decoder.waited_s

    def blocks(self, block_s: float) -> Iterator[Block]:
        end_s = 0.0
        try:
            for block in self._decoder.blocks(block_s):
                end_s = block.start_s + len(block.samples) / block.sample_rate
                yield block
        except AudioDecodeError:
            if self._file.broken is None:
                raise
        if self._file.broken is not None:
            msg = f"{self._url} is truncated at {end_s:.2f} s: {self._file.broken}"
            raise AudioDecodeError(msg)

    def close(self) -> None:
        self._decoder.close()


def is_live(url: str, decoder: Decoder) -> bool:
    """Return whether a stream has no end: where it ends, it was lost."""
    return urlsplit(url).scheme in LIVE or getattr(decoder, "is_live", False)
