"""`FileDecoder`: the recordings of a file whose bytes can be read in any order."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from importlib.util import find_spec
from io import BufferedRandom, BufferedReader

from ser_rt.audio.block import Block, Readable
from ser_rt.audio.decoding.begins import begins_behind
from ser_rt.audio.decoding.containers import parts_of
from ser_rt.audio.decoding.ending import TAIL_BYTES, Ending, check_end
from ser_rt.audio.decoding.ffmpeg import RAW, FfmpegDecoder
from ser_rt.audio.decoding.formats import (
    SAMPLES,
    SNIFFED_BYTES,
    is_of_ffmpeg,
    is_of_libsndfile,
    is_plain,
    sniff,
)
from ser_rt.audio.decoding.frames import filtered
from ser_rt.audio.decoding.part import Part
from ser_rt.audio.decoding.passing import PutBack
from ser_rt.audio.decoding.sndfile import SndfileDecoder
from ser_rt.audio.decoding.view import Bytes, FileView, Seekable
from ser_rt.errors import AudioDecodeError, MissingDependencyError, NoAudioError


class FileDecoder:
    """A file whose bytes can be read in any order: all its recordings, one after the other."""

    is_endless = False

    def __init__(
        self, file: Seekable, name: str, *, track: int | None = None, is_near: bool = True
    ) -> None:
        """Open the first recording; ``file`` is closed with this, and ``is_near`` on a disk.

        Raises:
            AudioDecodeError: It is not audio.
            NoTrackError: It has no such track.
            MissingDependencyError: A choice of track needs a package.
        """
        self._file, self._name, self._track, self._is_near = file, name, track, is_near
        self._bytes = bytes_ = Bytes(file, is_near=is_near)
        if not bytes_.size:
            msg = f"{name} is empty"
            raise NoAudioError(msg)
        try:
            self._size = bytes_.size
            self._parts = parts_of(bytes_)
            self._problems: list[AudioDecodeError] = []
            self._first: FfmpegDecoder | SndfileDecoder | None = self._open_first()
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
        problems = [*self._problems]
        end_s, parts = 0.0, deque(self._parts)
        while parts:
            part, end_byte, more = parts.popleft(), None, None
            try:
                decoder = self._first or self._open(part)
                self._first = None
                try:
                    yield from decoder.blocks(block_s, origin_s=end_s, recording=part)
                finally:
                    end_s = max(end_s, decoder.end_s)
                    end_byte, more = self._behind(part, decoder)
                    decoder.close()
            except AudioDecodeError as error:
                problems.append(error)
            if more is not None:
                parts.extendleft(reversed(parts_of(Bytes(FileView(self._file, 0, part.end)), more)))
                part, end_byte = replace(part, end=more), None
            self._forget_buffer()
            ending = self._ending(part)
            yield from check_end(
                *(part, self._name, end_s, self.sample_rate, problems, ending),
                end_byte,
            )
        if problems:
            raise problems[0]

    def _behind(
        self, part: Part, decoder: FfmpegDecoder | SndfileDecoder
    ) -> tuple[int | None, int | None]:
        """Return where the sound of a part ends, and where another recording begins in it."""
        if isinstance(decoder, SndfileDecoder) or (decoder.end_byte is None and not decoder.rest):
            return None, None
        if decoder.rest:
            return None, part.start + decoder.rest_at
        # FFmpeg takes what follows for a part of the last FLAC frame, whose head is like AAC.
        at = decoder.last_begin + 16 if decoder.format == "flac" else decoder.end_byte
        if not at:
            return decoder.end_byte, None
        found = begins_behind(self._bytes, part.start + at, part.end)
        is_own = found == part.start + at and self._format(found) == self._format(part.start)
        return decoder.end_byte, None if is_own and decoder.format in RAW else found

    def _format(self, at: int) -> str | None:
        return sniff(self._bytes.at(at, SNIFFED_BYTES))

    def _ending(self, part: Part) -> Ending:
        bytes_ = self._bytes
        head = bytes_.at(part.start, SNIFFED_BYTES)
        is_looked_at = self._is_near and not is_plain(head)
        zeros = bytes_.zeros_before(part.start, part.end) if is_looked_at else 0
        tail = bytes_.at(max(part.start, part.end - TAIL_BYTES), TAIL_BYTES)
        return Ending(part.end - part.start, zeros, tail, head)

    def close(self) -> None:
        """Close the file."""
        if self._first is not None:
            self._first.close()
        self._file.close()

    def _open_first(self) -> FfmpegDecoder | SndfileDecoder:
        """Open the first recording, past those that do not open, as after a crash."""
        while True:
            try:
                return self._open(self._parts[0])
            except AudioDecodeError as error:
                self._problems.append(error)
                if len(self._parts) == 1:
                    raise self._problems[0] from None
                self._parts = self._parts[1:]

    def _open(self, part: Part) -> FfmpegDecoder | SndfileDecoder:
        view = FileView(self._file, part.start, part.end, part.header)
        head = view.read(SNIFFED_BYTES)
        format_ = sniff(head)
        is_usual = self._is_near and not is_of_ffmpeg(head)
        is_of_it = is_usual or is_of_libsndfile(head) or not has_ffmpeg()
        if format_ in SAMPLES and self._track in (None, 1) and is_of_it:
            with suppress(AudioDecodeError):  # other codecs can be in these, too
                return self._by_libsndfile(part, view)
        view.seek(0)
        if has_ffmpeg():
            try:
                source: Readable = filtered(view, head) or view
                if format_ == "AVI":  # FFmpeg goes by its index if it can seek, damaged or not
                    source = PutBack(b"", view)
                try:
                    return FfmpegDecoder(source, self._name, track=self._track)
                except AudioDecodeError:
                    if source is not view or not self._is_near:
                        raise
                    view.seek(0)
                    return FfmpegDecoder(source, self._name, track=self._track, is_patient=True)
            except AudioDecodeError as error:
                if part.missing:
                    msg = f"{self._name} is truncated: {part.missing}"
                    raise AudioDecodeError(msg) from error
                if format_ not in SAMPLES or self._is_near:
                    raise
                with suppress(AudioDecodeError):
                    return SndfileDecoder(view, self._name)
                raise
        if self._track not in (None, 1):
            msg = "a choice of --track needs: pip install 'ser-rt[media]'"
            raise MissingDependencyError(msg)
        return SndfileDecoder(view, self._name)

    def _by_libsndfile(self, part: Part, view: FileView) -> SndfileDecoder:
        file = self._file
        is_whole = (part.start, part.end, part.header) == (0, self._size, b"")
        if not is_whole or not isinstance(file, BufferedReader | BufferedRandom):
            return SndfileDecoder(view, self._name)
        try:
            return SndfileDecoder(file, self._name)
        except AudioDecodeError:
            self._forget_buffer()
            raise

    def _forget_buffer(self) -> None:
        """Make Python's place in the file that of the system, which libsndfile has moved."""
        self._file.seek(0, os.SEEK_END)


def has_ffmpeg() -> bool:
    """Return whether PyAV is installed."""
    return find_spec("av") is not None
