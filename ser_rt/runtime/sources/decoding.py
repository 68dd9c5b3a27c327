"""Audio files as blocks of samples: soundfile for what libsndfile knows, PyAV for the rest."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import soundfile

from ser_rt.errors import AudioDecodeError, AudioNotFoundError

_UNFINISHED = 0x7FFF_0000
"""A WAV size from here on means that its writer did not know it: a pipe, or a crash."""


class Decoder(Protocol):
    """An open audio file."""

    sample_rate: int

    def blocks(self, frames: int) -> Iterator[npt.NDArray[np.float32]]:
        """Yield float32 ``[frames, channels]`` in [-1, 1]; `AudioDecodeError` where it breaks."""
        ...

    def close(self) -> None:
        """Close the file."""
        ...


CONTAINERS = (
    "aac,ac3,aiff,amr,asf,au,avi,caf,eac3,flac,flv,matroska,mov,mp3,mpeg,mpegts,ogg,wav,w64,wv"
)
"""Formats that hold their own audio: a playlist could name other files and addresses."""


class Readable(Protocol):
    """A stream of bytes that has no file."""

    def read(self, size: int, /) -> bytes:
        """Return up to ``size`` bytes as soon as there are any; none at the end."""
        ...


def open_audio(path: str | Path, *, formats: str | None = None) -> Decoder:
    """Open an audio file.

    Args:
        path: The file.
        formats: Names of the formats that FFmpeg may read, such as `CONTAINERS` for the files of
            strangers; None for all.

    Raises:
        AudioNotFoundError: There is no such file.
        AudioDecodeError: It cannot be read, or is not audio.
    """
    path = Path(path)
    if not path.exists():
        msg = f"no audio file {path}"
        raise AudioNotFoundError(msg)
    if path.is_dir():
        msg = f"{path} is a folder; name a file in it"
        raise AudioDecodeError(msg)
    if not path.is_file():
        return AvDecoder(path, formats=formats)  # a named pipe can be read once only
    try:
        with path.open("rb") as file:
            is_empty = not file.read(1)
    except OSError as error:
        msg = f"{path} cannot be read: {error.strerror}"
        raise AudioDecodeError(msg) from error
    if is_empty:
        msg = f"{path} is empty"
        raise AudioDecodeError(msg)
    try:
        decoder = SoundFileDecoder(path)
    except (soundfile.LibsndfileError, TypeError):  # TypeError: headerless, by its extension
        return AvDecoder(path, formats=formats)
    if decoder.is_empty:
        decoder.close()
        return AvDecoder(path, formats=formats)
    return decoder


class SoundFileDecoder:
    """wav, flac, ogg, mp3 and what else libsndfile reads."""

    def __init__(self, path: Path) -> None:
        """Open the file."""
        self._path = path
        self._file = soundfile.SoundFile(path)
        self.sample_rate: int = self._file.samplerate
        self.is_empty: bool = self._file.frames == 0

    def blocks(self, frames: int) -> Iterator[npt.NDArray[np.float32]]:
        """Yield blocks of ``frames`` frames; raise at the end if the header promised more."""
        read = 0
        while True:
            try:
                block = self._file.read(frames, dtype="float32", always_2d=True)
            except soundfile.LibsndfileError as error:
                raise self._broken(read, str(error.error_string).rstrip(".")) from error
            if len(block) == 0:
                break
            read += len(block)
            yield block
        # The length of an MP3 is often an estimate.
        slack = 0.05 if self._file.format == "MP3" else 0.0
        if read < self._file.frames * (1 - slack) or self._wav_is_cut_short():
            raise self._broken(read, "its header promises more")

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _wav_is_cut_short(self) -> bool:
        # libsndfile corrects the length in silence, but its log says what it found.
        found = re.search(r"^data : (\d+) \(should be (\d+)\)", self._file.extra_info, re.MULTILINE)
        return found is not None and int(found[2]) < int(found[1]) < _UNFINISHED

    def _broken(self, read: int, why: str) -> AudioDecodeError:
        seconds = read / self.sample_rate
        return AudioDecodeError(f"{self._path} is truncated or damaged at {seconds:.2f} s: {why}")


class AvDecoder:
    """m4a, aac, webm, opus, video, and streams from the network: what FFmpeg reads."""

    def __init__(
        self,
        path: Path | str | Readable,
        timeout_s: float | None = None,
        *,
        formats: str | None = None,
    ) -> None:
        """Open a file, a URL or a stream and find its audio.

        It gives up after ``timeout_s`` without an answer; ``formats`` are as of `open_audio`.

        Raises:
            AudioDecodeError: It does not open, or has no audio.
        """
        try:
            import av
        except ImportError as error:
            msg = (
                f"{path} is not audio that libsndfile reads; "
                "for m4a, aac, webm and opus install: pip install 'ser-rt[media]'"
            )
            raise AudioDecodeError(msg) from error
        self._path = path if isinstance(path, str | Path) else "the stream"
        self._av = av
        try:
            container: Any = av.open(
                str(path) if isinstance(path, str | Path) else path,
                timeout=timeout_s,
                options={} if formats is None else {"format_whitelist": formats},
            )
        except (av.error.FFmpegError, OSError) as error:
            msg = f"{self._path} is not audio, or in no format that can be read"
            if timeout_s is not None:
                timed_out = isinstance(error, av.error.ExitError | TimeoutError)
                why = f"no answer for {timeout_s:g} s" if timed_out else error.strerror
                msg = f"{self._path} does not open: {why}"
            raise AudioDecodeError(msg) from error
        if not container.streams.audio or not container.streams.audio[0].rate:
            container.close()
            msg = f"{self._path} has no audio in it"
            raise AudioDecodeError(msg)
        self._container = container
        self.sample_rate: int = container.streams.audio[0].rate
        self.is_endless: bool = container.duration is None

    def blocks(self, frames: int) -> Iterator[npt.NDArray[np.float32]]:
        """Yield blocks of at most ``frames`` frames."""
        planar = self._av.AudioResampler(format="fltp", rate=self.sample_rate)
        read = 0
        try:
            for packet in self._container.decode(audio=0):
                for frame in planar.resample(packet):
                    samples = frame.to_ndarray().T.astype(np.float32, copy=False)
                    read += len(samples)
                    for start in range(0, len(samples), frames):
                        yield samples[start : start + frames]
        except (self._av.error.FFmpegError, OSError) as error:
            msg = f"{self._path} is truncated or damaged at {read / self.sample_rate:.2f} s"
            raise AudioDecodeError(msg) from error

    def close(self) -> None:
        """Close the file."""
        self._container.close()
