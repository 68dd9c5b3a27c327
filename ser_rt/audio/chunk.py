"""`AudioChunk`, the input of the engine: mono float32 at the model's rate, with its position."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import soxr

from ser_rt.audio.block import SourceWarning
from ser_rt.audio.samples import CANCELLING, Cancelling, checked_rate, mono
from ser_rt.classifier import FloatArray

SILENCE: FloatArray = np.zeros(0, dtype=np.float32)


@dataclass(frozen=True, slots=True)
class AudioChunk:
    """Some consecutive samples of one stream.

    Attributes:
        samples: float32 ``[samples]``, mono, in [-1, 1], at the model's rate; may be empty.
        start: Index of the first sample in the stream. A jump is a gap in the audio.
        captured_at: Monotonic time in seconds when the last sample was captured; for sources
            that do not follow the clock, when the chunk was handed over.
        is_live: Whether samples came at the pace of the clock, the earlier ones earlier.
        queue_s: Time the samples lay in a queue after they were captured.
        resample_s: Time the samples spent in the resampler after that.
        warnings: Faults before or in this chunk.
        channel: Its number from 1, where each channel is processed alone; None for their mean.
        channel_name: What it was named.
    """

    samples: FloatArray
    start: int
    captured_at: float
    is_live: bool = False
    queue_s: float = 0.0
    resample_s: float = 0.0
    warnings: tuple[SourceWarning, ...] = ()
    channel: int | None = None
    channel_name: str | None = None


class AudioSource(ABC):
    """A context manager that opens, and an iterator of `AudioChunk`.

    Attributes:
        waited_s: Time spent waiting for audio to come, so that it is not counted as work.
        dropped_samples: Samples lost because they were not taken in time.
        drift_ppm: How much faster the device's clock is than this machine's, in millionths.
    """

    waited_s: float = 0.0
    dropped_samples: int = 0
    drift_ppm: float | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """End an iteration that waits for audio; callable from any thread."""
        return

    @abstractmethod
    def __iter__(self) -> Iterator[AudioChunk]:
        """Yield chunks in order until the audio ends."""


class ChunkMaker:
    """Converts arrays of any rate and channel count to `AudioChunk`s.

    Resampling is soxr's HQ filter with its state kept from call to call, so the chunks put end
    to end are the same samples however the input was cut.
    """

    def __init__(
        self,
        from_hz: int,
        to_hz: int,
        *,
        is_live: bool = False,
        start: int = 0,
        channel: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Make a converter from one rate to another.

        ``start`` is the index of its first sample, ``channel`` as of `mono`.
        """
        self._from_hz, self._to_hz = checked_rate(from_hz), checked_rate(to_hz)
        self._channel = channel
        self._cancelling = Cancelling(self._from_hz) if channel is None else None
        self._start, self._clock = start, clock
        self._is_live = is_live
        self._warnings: list[SourceWarning] = []
        self.jump(0)

    def jump(self, frame: int) -> None:
        """Go on at input frame ``frame`` after a gap, with nothing remembered from before it."""
        self._first_frame = self._next_frame = frame
        self._first_sample = self._next_sample = self._start + round(
            frame * self._to_hz / self._from_hz
        )
        self._resampler = (
            None
            if self._from_hz == self._to_hz
            else soxr.ResampleStream(
                self._from_hz, self._to_hz, num_channels=1, dtype="float32", quality="HQ"
            )
        )

    @property
    def next_frame(self) -> int:
        """Index of the input frame that is due."""
        return self._next_frame

    @property
    def next_sample(self) -> int:
        """Index of the first sample of the next chunk."""
        return self._next_sample

    def skip_to(self, frame: int, captured_at: float) -> Generator[AudioChunk, None, int]:
        """Go on at input frame ``frame``, those before it being dropped, and warn of them.

        Yields what the resampler held; returns the number of samples dropped.
        """
        lost = frame - self._next_frame
        if lost:
            yield self.flush(captured_at)
            self.jump(frame)
        self.warn("overflow", f"{1e3 * lost / self._from_hz:.0f} ms of audio were dropped")
        return round(lost * self._to_hz / self._from_hz)

    def warn(self, code: str, message: str) -> None:
        """Attach a warning to the next chunk."""
        self._warnings.append(SourceWarning(code, message))

    def feed(
        self, samples: npt.NDArray[Any], captured_at: float | None = None, queue_s: float = 0.0
    ) -> AudioChunk:
        """Convert samples ``[samples]`` or ``[samples, channels]`` as in `mono`."""
        started = self._clock()
        frames = mono(samples, self._channel)
        if self._cancelling is not None and self._cancelling.is_detected(samples, frames):
            self._cancelling = None
            self.warn("opposite_channels", CANCELLING)
        self._next_frame += len(frames)
        if self._resampler is not None:
            frames = self._resampler.resample_chunk(frames)
        return self._chunk(frames, started, captured_at, queue_s)

    def flush(self, captured_at: float | None = None) -> AudioChunk:
        """Return what the resampler still held; only a `jump` may follow."""
        started = self._clock()
        rest = SILENCE
        if self._resampler is not None:
            rest = self._resampler.resample_chunk(SILENCE, last=True)
        return self._chunk(rest, started, captured_at, 0.0)

    def _chunk(
        self, samples: FloatArray, started: float, captured_at: float | None, queue_s: float
    ) -> AudioChunk:
        start = self._next_sample
        self._next_sample += len(samples)
        resample_s = self._clock() - started
        captured_at = started - queue_s if captured_at is None else captured_at
        if self._is_live:
            # The filter holds samples back: the last one out was captured before the last one in.
            fed_s = (self._next_frame - self._first_frame) / self._from_hz
            held_s = max(0.0, fed_s - (self._next_sample - self._first_sample) / self._to_hz)
            captured_at -= held_s
            resample_s += held_s
        warnings, self._warnings = tuple(self._warnings), []
        return AudioChunk(
            *(samples, start, captured_at, self._is_live, queue_s, resample_s, warnings),
            channel=self._channel,
        )
