"""Decoders of URLs: recordings are read by ranges, live streams by FFmpeg."""

from __future__ import annotations

import re
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
from ser_rt.audio.decoding.http import HttpFile, StationError
from ser_rt.errors import AudioDecodeError, NoAudioError

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
        NoTrackError: It has no such track.
    """
    try:
        parts = urlsplit(url)
    except ValueError as error:
        msg = f"{url} is no address: {error}"
        raise AudioDecodeError(msg) from error
    if parts.scheme == "file":
        return open_audio(Path(url2pathname(parts.path)), track=track)
    if parts.scheme not in ("http", "https"):
        return FfmpegDecoder(url, url, track=track, formats=None, timeout_s=timeout_s)
    try:
        file = HttpFile(url, timeout_s, reconnect=reconnect)
    except StationError:
        return _station(url, timeout_s, track=track)
    try:
        if file.has_titles and file.is_live:
            file.close()
            return _station(url, timeout_s, track=track)
        head = file.first(SNIFFED_BYTES)
        _check_head(url, head, is_playlist=file.is_playlist)
        if file.is_playlist:
            file.close()
            return FfmpegDecoder(url, url, track=track, formats=None, timeout_s=timeout_s)
        decoder: Decoder
        if file.size is not None and (needs_end(head) or sniff(head) in POINTED):
            decoder = FileDecoder(file, url, track=track, is_near=False)
        else:
            decoder = open_stream(file, url, track=track)
        return _Fetched(decoder, file, url)
    except AudioDecodeError as error:
        file.close()
        raise file.broken or error from None
    except BaseException:
        file.close()
        raise


def _station(url: str, timeout_s: float, *, track: int | None) -> FfmpegDecoder:
    """Open a radio station, whose titles of songs FFmpeg takes out of the sound."""
    decoder = FfmpegDecoder(url, url, track=track, formats=None, timeout_s=timeout_s)
    decoder.is_live = True
    return decoder


def _check_head(url: str, head: bytes, *, is_playlist: bool) -> None:
    """Refuse nothing, and a playlist of recordings; one of the parts of one (HLS, DASH) is that."""
    if not head:
        msg = f"{url} is empty"
        raise NoAudioError(msg)
    named = _ADDRESS.search(head)
    if is_playlist and named is not None and not any(mark in head for mark in _OF_PARTS):
        msg = f"{url} is a playlist; open what it names: {named[0].decode(errors='replace')}"
        raise AudioDecodeError(msg)


_OF_PARTS = (b"#EXT-X-", b"<MPD", b"v=0")
_ADDRESS = re.compile(rb"https?://[^\s<>'\"]+")


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
