"""`Mp3`: the sound of a recording, compressed so that every browser plays it."""

from __future__ import annotations

import io

import numpy as np
import soundfile

from ser_rt.audio.chunk import SILENCE, AudioChunk
from ser_rt.classifier import FloatArray
from ser_rt.errors import ConfigError

KBPS = 24
"""Kilobits a second of a channel; always as many, so that browsers find any time at once."""
_LEVELS = {1: 0.9, 2: 0.74}
"""What libsndfile calls `KBPS`, and twice that, at 16 kHz."""


class Mp3:
    """Encodes chunks as they come; gaps are silence, so that times agree.

    Two channels stay two, so that each can be listened to; more are mixed.
    """

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
        self._waiting: dict[int, FloatArray] = {}
        self._written = 0
        self._next: dict[int, int] = {}

    def feed(self, chunk: AudioChunk) -> None:
        """Take a chunk; what all channels have passed is encoded."""
        channel = chunk.channel or 0
        if channel in self._next:  # all channels have come once: which there are is known
            self._write_until(min(self._next.values()))
        self._next[channel] = chunk.start + len(chunk.samples)
        waiting = self._waiting.get(channel, SILENCE)
        missing = chunk.start - self._written - len(waiting)
        silence = np.zeros(max(0, missing), np.float32)
        self._waiting[channel] = np.concatenate([waiting, silence, chunk.samples])

    def finish(self) -> bytes:
        """Return the whole file; empty if there was no sound."""
        self._write_until(max(self._next.values(), default=0))
        if self._file is not None:
            self._file.close()
        return self._bytes.getvalue()

    def _write_until(self, end: int) -> None:
        count = end - self._written
        if count <= 0:
            return
        taken = [self._take(channel, count) for channel in sorted(self._waiting)]
        self._written = end
        if self._file is None:
            width = 2 if len(taken) == 2 else 1
            self._file = soundfile.SoundFile(
                *(self._bytes, "w", self._rate, width),
                format="MP3",
                subtype="MPEG_LAYER_III",
                compression_level=_LEVELS[width],
                bitrate_mode="CONSTANT",
            )
        sound = np.stack(taken, axis=1) if self._file.channels == 2 else sum(taken)
        self._file.write(np.clip(sound, -1, 1))

    def _take(self, channel: int, count: int) -> FloatArray:
        waiting = self._waiting[channel]
        self._waiting[channel] = waiting[count:]
        taken = waiting[:count]
        return np.pad(taken, (0, count - len(taken)))
