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
from ser_rt.checks import whole
from ser_rt.classifier import FloatArray
from ser_rt.errors import AudioInputError

MIN_RATE_HZ, MAX_RATE_HZ = 1_000, 768_000
MAX_CHANNELS = 64
MAX_PEAK = 10.0
"""Float samples belong in [-1, 1]; beyond 20 dB over that they were never scaled."""

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
    """

    samples: FloatArray
    start: int
    captured_at: float
    is_live: bool = False
    queue_s: float = 0.0
    resample_s: float = 0.0
    warnings: tuple[SourceWarning, ...] = ()
    channel: int | None = None


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
        """Open the source; fails here if it cannot be opened."""
        return self

    def __exit__(self, *exc_info: object) -> None:
        """Close the source."""
        return

    def close(self) -> None:
        """End an iteration that waits for audio; callable from any thread."""
        return

    @abstractmethod
    def __iter__(self) -> Iterator[AudioChunk]:
        """Yield chunks in order until the audio ends."""


def checked_rate(sample_rate: float) -> int:
    """Return a sample rate in Hz, or raise `AudioInputError` if no audio has it.

    Sound libraries and JSON give whole numbers as floats: 44100.0 is taken, 44100.5 is not.
    """
    rate = whole(sample_rate)
    if rate is None:
        msg = f"sample rate must be a whole number of Hz, not {sample_rate!r}"
        raise AudioInputError(msg)
    if not MIN_RATE_HZ <= rate <= MAX_RATE_HZ:
        msg = f"sample rate {sample_rate} Hz is not within {MIN_RATE_HZ} to {MAX_RATE_HZ}"
        raise AudioInputError(msg)
    return rate


def as_array(samples: npt.ArrayLike) -> npt.NDArray[Any]:
    """Return samples as an array, or raise `AudioInputError` if rows differ in length."""
    try:
        return np.asarray(samples)
    except ValueError as error:
        msg = f"samples make no array: {error}"
        raise AudioInputError(msg) from error


def mono(samples: npt.NDArray[Any], channel: int | None = None) -> FloatArray:
    """Return samples as mono float32 in [-1, 1].

    Args:
        samples: ``[samples]`` or ``[samples, channels]``; float in [-1, 1], or int16.
        channel: The channel to take, from 1; None for the mean of all.

    Raises:
        AudioInputError: Another type or shape, NaN or infinity, floats that were not scaled, or no
            such channel.
    """
    samples = as_array(samples)
    if samples.ndim not in (1, 2) or (samples.ndim == 2 and samples.shape[1] > MAX_CHANNELS):
        msg = f"samples must be [samples] or [samples, channels], not of shape {samples.shape}"
        raise AudioInputError(msg)
    if samples.ndim == 2 and samples.shape[1] == 0:
        msg = f"samples of shape {samples.shape} have no channel"
        raise AudioInputError(msg)
    if channel is not None:
        samples = _channel(samples, channel)
    if samples.dtype == np.int16:
        floats = samples.astype(np.float32) / np.float32(32768.0)
    elif samples.dtype.kind == "f":
        with np.errstate(over="ignore"):
            floats = samples.astype(np.float32)
        _check_values(floats)
    else:
        msg = f"samples must be float in [-1, 1] or int16, not {samples.dtype}; scale them first"
        raise AudioInputError(msg)
    return floats if floats.ndim == 1 else floats.mean(axis=1, dtype=np.float32)


def _channel(samples: npt.NDArray[Any], channel: int) -> npt.NDArray[Any]:
    count = 1 if samples.ndim == 1 else samples.shape[1]
    if not 1 <= channel <= count:
        msg = f"there is no channel {channel}: the audio has {count}"
        raise AudioInputError(msg)
    return samples if samples.ndim == 1 else samples[:, channel - 1]


def _check_values(samples: FloatArray) -> None:
    if samples.size == 0 or np.abs(samples).max() <= MAX_PEAK:
        return
    bad = ~(np.abs(samples) <= MAX_PEAK)
    where = int(np.argwhere(bad)[0][0])
    value = float(samples[bad][0])
    hint = "" if value != value or abs(value) == float("inf") else "; divide int16 by 32768"  # noqa: PLR0124
    msg = f"sample {where} is {value:g}, outside [-1, 1]{hint}"
    raise AudioInputError(msg)


CANCELLING = (
    "the channels cancel each other: one has its wires crossed, and their mean is all but silence; "
    "name the channel to use (--channel 1)"
)


class Cancelling:
    """Detector of two channels of which one is the other inverted."""

    _LOUD, _SHARE, _ENOUGH_S = 1e-6, 0.01, 1.0

    def __init__(self, rate: int) -> None:
        """Follow audio of a rate in Hz."""
        self._needed = round(self._ENOUGH_S * rate)

    def is_detected(self, samples: npt.NDArray[Any], mean: FloatArray) -> bool:
        """Return whether there was a second of it, with these samples and their mean."""
        if samples.ndim == 2 and samples.shape[1] == 2 and len(mean):
            scale = 1.0 if samples.dtype.kind == "f" else 1 / 32768
            power = float(np.square(samples * scale, dtype=np.float32).mean())
            if power > self._LOUD and float(np.square(mean).mean()) < self._SHARE * power:
                self._needed -= len(mean)
        return self._needed <= 0


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
