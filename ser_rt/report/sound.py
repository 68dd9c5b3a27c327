"""`Mp3`: the sound of a recording, compressed so that every browser plays it."""

from __future__ import annotations

import io

import numpy as np
import soundfile

from ser_rt.audio.chunk import SILENCE, AudioChunk
from ser_rt.errors import ConfigError

KBPS = 24
"""Kilobits a second; always as many, so that browsers find any time at once."""
_LEVEL = 0.9
"""What libsndfile calls `KBPS` at 16 kHz."""


class Mp3:
    """Encodes chunks as they come, channels mixed; gaps are silence, so that times agree."""

    def __init__(self, sample_rate: int) -> None:
        """Refuse a libsndfile that cannot.

        Raises:
            ConfigError: It was built without MP3.
        """
        if "MP3" not in soundfile.available_formats():
            msg = f"libsndfile {soundfile.__libsndfile_version__} writes no MP3; use 1.1 or newer"
            raise ConfigError(msg)
        self._rate = sample_rate
        self._bytes = io.BytesIO()
        self._file: soundfile.SoundFile | None = None
        self._waiting = SILENCE
        self._written = 0
        self._next: dict[int, int] = {}

    def feed(self, chunk: AudioChunk) -> None:
        """Take a chunk; what all channels have passed is encoded."""
        channel = chunk.channel or 0
        if channel in self._next:  # all channels have come once: which there are is known
            self._write_until(min(self._next.values()))
        end = self._next[channel] = chunk.start + len(chunk.samples)
        if end > self._written + len(self._waiting):
            more = np.zeros(end - self._written - len(self._waiting), np.float32)
            self._waiting = np.concatenate([self._waiting, more])
        self._waiting[chunk.start - self._written : end - self._written] += chunk.samples

    def finish(self) -> bytes:
        """Return the whole file; empty if there was no sound."""
        self._write_until(self._written + len(self._waiting))
        if self._file is not None:
            self._file.close()
        return self._bytes.getvalue()

    def _write_until(self, end: int) -> None:
        samples = self._waiting[: max(0, end - self._written)]
        if not len(samples):
            return
        if self._file is None:
            self._file = soundfile.SoundFile(
                *(self._bytes, "w", self._rate, 1),
                format="MP3",
                subtype="MPEG_LAYER_III",
                compression_level=_LEVEL,
                bitrate_mode="CONSTANT",
            )
        self._file.write(np.clip(samples, -1, 1))
        self._waiting = self._waiting[len(samples) :]
        self._written += len(samples)
