"""`SndfileDecoder`: one recording, decoded with libsndfile."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import BinaryIO

import soundfile

from ser_rt.audio.block import Block
from ser_rt.audio.decoding.mp3 import is_mp3, stated_frames
from ser_rt.audio.decoding.part import Recording
from ser_rt.audio.decoding.view import FileView
from ser_rt.errors import AudioDecodeError

_UNKNOWN = 2**62
"""Frames from here on mean that the length is not known."""

_MOST_TAGS = 4096
"""Bytes that may stand behind the sound."""


class SndfileDecoder:
    """Open audio: wav, flac, ogg, aiff, and MP3 with its length in it.

    Attributes:
        sample_rate: In Hz.
        end_s: Time behind the last frame, once it is decoded.
    """

    is_endless = False

    def __init__(self, file: FileView | BinaryIO, name: str) -> None:
        """Open a view, or a whole file.

        Raises:
            AudioDecodeError: libsndfile cannot read it, or only by a guess at its length.
        """
        self._name, self.end_s = name, 0.0
        needs = f"{name} needs FFmpeg to be decoded: pip install 'ser-rt[media]'"
        if _is_mp3_of_unknown_length(file):
            raise AudioDecodeError(needs)
        file.seek(0)
        source: FileView | int
        if isinstance(file, FileView):
            source = file
        else:  # by its number a file is read without Python
            source = file.fileno()
            os.lseek(source, 0, os.SEEK_SET)  # past the bytes that Python has buffered
        try:
            self._file = soundfile.SoundFile(source, closefd=False)
        except (soundfile.LibsndfileError, TypeError, ValueError) as error:
            raise AudioDecodeError(needs + ", if it is audio") from error
        self.sample_rate: int = self._file.samplerate

    def blocks(
        self, block_s: float, *, origin_s: float = 0.0, recording: Recording | None = None
    ) -> Iterator[Block]:
        """Yield blocks of at most ``block_s`` seconds; arguments as of `FfmpegDecoder`.

        Raises:
            AudioDecodeError: Behind the last block, if something is missing.
        """
        del recording  # libsndfile reads the same header
        file, size = self._file, max(1, round(block_s * self.sample_rate))
        why, read = "", 0
        while not why:
            try:
                samples = file.read(size, dtype="float32", always_2d=True)
            except soundfile.LibsndfileError as error:
                why = str(error.error_string).rstrip(".")
                break
            if not len(samples):
                break
            yield Block(samples, self.sample_rate, origin_s + read / self.sample_rate)
            read += len(samples)
            self.end_s = origin_s + read / self.sample_rate
        if file.frames < _UNKNOWN and read < file.frames - 0.05 * self.sample_rate:
            why = why or f"its header promises {file.frames / self.sample_rate:.2f} s"
            msg = f"{self._name} is truncated or damaged at {self.end_s:.2f} s: {why}"
            raise AudioDecodeError(msg)

    def close(self) -> None:
        """Close the audio."""
        self._file.close()


def _is_mp3_of_unknown_length(view: FileView | BinaryIO) -> bool:
    """Return whether libsndfile would guess the length of this from its first frame."""
    view.seek(0)
    frame = view.read(256)
    mark = max(frame.find(b"Xing"), frame.find(b"Info"))
    if not is_mp3(frame) or not stated_frames(frame):
        return is_mp3(frame)
    if mark < 0 or not frame[mark + 7] & 2:
        return True
    promised = int.from_bytes(frame[mark + 12 : mark + 16], "big")
    return abs(view.seek(0, os.SEEK_END) - promised) > _MOST_TAGS
