"""Audio on its way to the engine, for others to see as well."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

import numpy as np
import soundfile

from ser_rt.audio.chunk import AudioChunk, AudioSource
from ser_rt.errors import OutputError
from ser_rt.files.names import encodable, printable

_LITTLE_BYTES = 1 << 16


class Tee(AudioSource):
    """A source that shows each chunk to some functions before it yields it."""

    def __init__(self, source: AudioSource, *taps: Callable[[AudioChunk], None]) -> None:
        self._source, self._taps = source, taps

    def __enter__(self) -> Self:
        self._source.__enter__()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._source.__exit__(*exc_info)

    def close(self) -> None:
        """End the source's iteration."""
        self._source.close()

    def __iter__(self) -> Iterator[AudioChunk]:
        for chunk in self._source:
            for tap in self._taps:
                tap(chunk)
            self.waited_s = self._source.waited_s
            self.dropped_samples = self._source.dropped_samples
            self.drift_ppm = self._source.drift_ppm
            yield chunk
        self.waited_s = self._source.waited_s


class Recorder:
    """Writes the engine's input to a FLAC file, gaps as silence, so that times agree."""

    def __init__(self, path: Path, sample_rate: int) -> None:
        """Open the file for writing.

        Raises:
            OutputError: It cannot be written.
        """
        self._path, self._sample_rate = path, sample_rate
        self._next_sample: int | None = None
        try:
            path.open("wb").close()  # its error has a reason, which libsndfile's has not
            self._file = soundfile.SoundFile(
                encodable(path), "w", sample_rate, channels=1, format="FLAC", subtype="PCM_16"
            )
        except (soundfile.LibsndfileError, OSError) as error:
            msg = f"{printable(path)} cannot be written: {getattr(error, 'strerror', error)}"
            raise OutputError(msg) from error

    def __call__(self, chunk: AudioChunk) -> None:
        """Write a chunk."""
        if not len(chunk.samples):
            return
        gap = 0 if self._next_sample is None else chunk.start - self._next_sample
        self._next_sample = chunk.start + len(chunk.samples)
        try:
            while gap > 0:
                silence = np.zeros(min(gap, 60 * self._sample_rate), np.int16)
                self._file.write(silence)
                gap -= len(silence)
            # Scaled as it is read: int16 audio comes back as it was.
            scaled = np.clip(np.rint(chunk.samples * 32768.0), -32768, 32767)
            self._file.write(scaled.astype(np.int16))
        except (soundfile.LibsndfileError, OSError) as error:
            msg = f"{printable(self._path)} cannot be written: {self._reason(error)}"
            raise OutputError(msg) from error

    def _reason(self, error: Exception) -> str:
        """Return why a write failed; libsndfile only knows that the system refused it."""
        is_full = shutil.disk_usage(self._path.parent).free < _LITTLE_BYTES
        return os.strerror(errno.ENOSPC) if is_full else str(error).rstrip(".")

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()
