"""Decoders of files and streams: bytes in, blocks of samples at their true times out.

The result of a damaged recording is the same however it comes in: everything that can be
decoded, at its time; a warning where something was lost in between; an `AudioDecodeError` behind
the last block, if the end is missing.
"""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from importlib.util import find_spec
from io import BufferedRandom, BufferedReader
from pathlib import Path

import numpy as np

from ser_rt.audio.block import Block, Decoder, Frames, Readable
from ser_rt.audio.decoding.containers import needs_end, parts_of
from ser_rt.audio.decoding.ffmpeg import FfmpegDecoder
from ser_rt.audio.decoding.formats import SAMPLES, SNIFFED_BYTES, sniff
from ser_rt.audio.decoding.frames import filtered
from ser_rt.audio.decoding.part import Part, Recording
from ser_rt.audio.decoding.passing import Passing, PutBack, first_bytes
from ser_rt.audio.decoding.sndfile import SndfileDecoder
from ser_rt.audio.decoding.view import Bytes, FileView, Seekable
from ser_rt.errors import AudioDecodeError, AudioInputError, AudioNotFoundError, NoAudioError
from ser_rt.files.names import NameFinder, printable

_COPIED_BYTES = 1 << 16
_NOTHING: Frames = np.zeros((0, 1), np.float32)


def open_audio(path: str | Path, *, track: int | None = None) -> Decoder:
    """Open an audio file, or a named pipe.

    Args:
        path: The file; its name is never taken for anything but a name.
        track: Which audio track, from 1; None for the one that the container prefers.

    Raises:
        AudioNotFoundError: There is no such file.
        AudioDecodeError: It cannot be read, or is not audio.
        AudioInputError: It has no such track.
    """
    name, path = printable(path), NameFinder().find(os.fspath(path))
    try:
        file = Path(path).open("rb")  # noqa: SIM115 (the decoder closes it)
    except FileNotFoundError as error:
        msg = f"no audio file {name}"
        raise AudioNotFoundError(msg) from error
    except IsADirectoryError as error:
        msg = f"{name} is a folder; name a file in it"
        raise AudioDecodeError(msg) from error
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        msg = f"{name} cannot be read: {why}"
        is_no_name = isinstance(error, ValueError) or error.errno == errno.ENAMETOOLONG
        raise (AudioNotFoundError if is_no_name else AudioDecodeError)(msg) from error
    try:
        if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            return FileDecoder(file, name, track=track)
        return open_stream(_Prompt(file), name, track=track)
    except BaseException:
        file.close()
        raise


def open_stream(stream: Readable, name: str, *, track: int | None = None) -> Decoder:
    """Open bytes that come once, in order; the decoder closes the stream if that can be closed.

    A format that can only be read from its end, such as MP4 with its index there, is kept in a
    temporary file until all has come.

    Raises:
        AudioDecodeError: They are not audio.
        AudioInputError: There is no such track.
    """
    head = first_bytes(stream.read)
    whole = PutBack(head, stream)
    if not needs_end(head):
        return StreamDecoder(whole, name, track=track, closes=True)
    file = tempfile.TemporaryFile(prefix="ser-rt-")  # noqa: SIM115 (the decoder closes it)
    try:
        while data := whole.read(_COPIED_BYTES):
            file.write(data)
        whole.close()
        return FileDecoder(file, name, track=track)
    except OSError as error:
        file.close()
        msg = f"{name} cannot be kept until its end, where its index is: {error.strerror}"
        raise AudioDecodeError(msg) from error
    except BaseException:
        file.close()
        raise


class FileDecoder:
    """A file whose bytes can be read in any order: all its recordings, one after the other."""

    is_endless = False

    def __init__(
        self, file: Seekable, name: str, *, track: int | None = None, is_near: bool = True
    ) -> None:
        """Open the first recording; ``file`` is closed with this, and ``is_near`` on a disk.

        Raises:
            AudioDecodeError: It is not audio.
            AudioInputError: It has no such track.
        """
        self._file, self._name, self._track, self._is_near = file, name, track, is_near
        bytes_ = Bytes(file, is_near=is_near)
        if not bytes_.size:
            msg = f"{name} is empty"
            raise NoAudioError(msg)
        try:
            self._size = bytes_.size
            self._parts = parts_of(bytes_)
            self._first: FfmpegDecoder | SndfileDecoder | None = self._open(self._parts[0])
        except OSError as error:
            msg = f"{name} cannot be read: {error.strerror}"
            raise AudioDecodeError(msg) from error
        self.sample_rate: int = self._first.sample_rate

    @property
    def waited_s(self) -> float:
        """Seconds spent waiting for bytes to come."""
        return float(getattr(self._file, "waited_s", 0.0))

    def blocks(self, block_s: float) -> Iterator[Block]:
        """Yield blocks of at most ``block_s`` seconds.

        Raises:
            AudioDecodeError: Behind the last block, if something is missing.
        """
        problems: list[AudioDecodeError] = []
        end_s = 0.0
        for part in self._parts:
            try:
                decoder = self._first or self._open(part)
                self._first = None
                try:
                    yield from decoder.blocks(block_s, origin_s=end_s, recording=part)
                finally:
                    end_s = max(end_s, decoder.end_s)
                    decoder.close()
            except AudioDecodeError as error:
                problems.append(error)
            if part.missing and not problems:
                problems.append(_truncated(self._name, end_s, part))
            elif part.warnings:
                yield Block(_NOTHING, self.sample_rate, end_s, part.warnings)
        if problems:
            raise problems[0]

    def close(self) -> None:
        """Close the file."""
        if self._first is not None:
            self._first.close()
        self._file.close()

    def _open(self, part: Part) -> FfmpegDecoder | SndfileDecoder:
        view = FileView(self._file, part.start, part.end, part.header)
        head = view.read(SNIFFED_BYTES)
        format_ = sniff(head)
        if format_ in SAMPLES and self._track in (None, 1) and (self._is_near or not has_ffmpeg()):
            with suppress(AudioDecodeError):  # other codecs can be in these, too
                file = self._file
                is_whole = (part.start, part.end, part.header) == (0, self._size, b"")
                if is_whole and isinstance(file, BufferedReader | BufferedRandom):
                    return SndfileDecoder(file, self._name)
                return SndfileDecoder(view, self._name)
        view.seek(0)
        if has_ffmpeg():
            try:
                source = filtered(view, head) or view
                return FfmpegDecoder(source, self._name, track=self._track)
            except AudioDecodeError as error:
                if part.missing:
                    msg = f"{self._name} is truncated: {part.missing}"
                    raise AudioDecodeError(msg) from error
                raise
        if self._track not in (None, 1):
            msg = "a choice of --track needs: pip install 'ser-rt[media]'"
            raise AudioInputError(msg)
        return SndfileDecoder(view, self._name)


class StreamDecoder:
    """Bytes that come once, in order: a pipe, a connection, a file that is still being written."""

    def __init__(
        self, stream: Readable, name: str, *, track: int | None = None, closes: bool = False
    ) -> None:
        """Wait for the first bytes and open their format; ``closes`` the stream with this.

        Raises:
            AudioDecodeError: They are not audio.
            AudioInputError: There is no such track.
        """
        self._bytes, self._name, self._track = Passing(stream), name, track
        self._closes = stream if closes else None
        try:
            self._decoder = self._open()
        except AudioDecodeError as error:
            if not needs_end(self._bytes.head):
                raise
            msg = f"{name} has its index at its end, and cannot be decoded as it comes"
            raise AudioDecodeError(msg) from error
        self.sample_rate: int = self._decoder.sample_rate
        self.is_endless = self._decoder.is_endless

    def _open(self) -> FfmpegDecoder:
        source = filtered(self._bytes, self._bytes.peek()) or self._bytes
        return FfmpegDecoder(source, self._name, track=self._track)

    @property
    def waited_s(self) -> float:
        """Seconds spent waiting for bytes to come."""
        return self._bytes.waited_s

    def blocks(self, block_s: float) -> Iterator[Block]:
        """Yield blocks of at most ``block_s`` seconds, of all recordings that follow each other.

        Raises:
            AudioDecodeError: Behind the last block, if something is missing.
        """
        problems: list[AudioDecodeError] = []
        end_s, is_more = 0.0, True
        while is_more:
            try:
                yield from self._decoder.blocks(block_s, origin_s=end_s, recording=self._bytes)
                self._bytes.drain()
            except AudioDecodeError as error:
                problems.append(error)
            end_s = max(end_s, self._decoder.end_s)
            if self._bytes.missing and not problems:
                problems.append(_truncated(self._name, end_s, self._bytes))
            elif self._bytes.warnings:
                yield Block(_NOTHING, self.sample_rate, end_s, self._bytes.warnings)
            is_more = self._bytes.go_on()
            if is_more:
                self._decoder.close()
                self._decoder = self._open()
        if problems:
            raise problems[0]

    def close(self) -> None:
        """Close the decoder, and the stream if it owns that."""
        self._decoder.close()
        close = getattr(self._closes, "close", None)
        if close is not None:
            close()


def _truncated(name: str, end_s: float, recording: Recording) -> AudioDecodeError:
    return AudioDecodeError(f"{name} is truncated at {end_s:.2f} s: {recording.missing}")


class _Prompt:
    """A buffered file that returns the bytes at hand, instead of waiting for all."""

    def __init__(self, file: BufferedReader) -> None:
        self._file = file

    def read(self, size: int, /) -> bytes:
        return self._file.read1(size)

    def close(self) -> None:
        self._file.close()


def has_ffmpeg() -> bool:
    """Return whether PyAV is installed."""
    return find_spec("av") is not None
