"""Checks of samples that come from outside, and their conversion to mono float32."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ser_rt.checks import whole
from ser_rt.classifier import FloatArray
from ser_rt.errors import AudioInputError, NoChannelError

MIN_RATE_HZ, MAX_RATE_HZ = 1_000, 768_000
MAX_CHANNELS = 64
MAX_PEAK = 10.0
"""Float samples belong in [-1, 1]; beyond 20 dB over that they were never scaled."""


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


def refuse_no_samples(audio: object) -> None:
    """Raise `AudioInputError` with what to give instead for what people take for samples."""
    hint = None
    if audio is None:
        hint = "audio is None: give a path, an array, or an iterable of arrays"
    elif isinstance(audio, bytes | bytearray | memoryview):
        hint = (
            "bytes are no samples: give np.frombuffer(data, np.int16) and sample_rate for raw PCM, "
            "the path of a file otherwise"
        )
    elif hasattr(audio, "read"):
        name = getattr(audio, "name", None)
        path = f", {name!r}" if isinstance(name, str) else ""
        hint = f"an open file is no audio: give its path{path}"
    elif isinstance(audio, bool | int | float | np.number):
        hint = f"{audio!r} is a number, no array: give numpy arrays, not numbers one by one"
    if hint is not None:
        raise AudioInputError(hint)


def as_array(samples: npt.ArrayLike) -> npt.NDArray[Any]:
    """Return samples as an array, or raise `AudioInputError` if they are none."""
    refuse_no_samples(samples)
    try:
        array = np.asarray(samples)
    except (ValueError, TypeError, RuntimeError) as error:  # the last two of tensors
        msg = f"samples make no array: {error}"
        raise AudioInputError(msg) from error
    if array.ndim == 0:
        refuse_no_samples(array[()])
    return array


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
        is_turned = samples.ndim == 2 and samples.shape[0] <= MAX_CHANNELS
        raise AudioInputError(msg + ("; transpose them: samples.T" if is_turned else ""))
    if samples.ndim == 2 and samples.shape[1] == 0:
        msg = f"samples of shape {samples.shape} have no channel"
        raise AudioInputError(msg)
    if channel is not None:
        samples = _channel(samples, channel)
    if samples.dtype.kind == "i" and samples.dtype.itemsize == 2:
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
        raise NoChannelError(msg)
    return samples if samples.ndim == 1 else samples[:, channel - 1]


def _check_values(samples: FloatArray) -> None:
    if samples.size == 0 or np.abs(samples).max() <= MAX_PEAK:
        return
    bad = ~(np.abs(samples) <= MAX_PEAK)
    where = int(np.argwhere(bad)[0][0])
    value = float(samples[bad][0])
    hint = "" if value != value or abs(value) == float("inf") else "; divide int16 by 32768"  # noqa: PLR0124 (NaN)
    msg = f"sample {where} is {value:g}, outside [-1, 1]{hint}"
    raise AudioInputError(msg)


CANCELLING = (
    "the channels cancel each other: one has its wires crossed, and their mean is all but silence; "
    "name the channel to use (--channel 1)"
)


class Cancelling:
    """Detector of channels of which some are others inverted: their mean is hardly anything."""

    _LOUD, _SHARE, _ENOUGH_S = 1e-6, 0.01, 1.0

    def __init__(self, rate: int) -> None:
        self._needed = round(self._ENOUGH_S * rate)

    def is_detected(self, samples: npt.NDArray[Any], mean: FloatArray) -> bool:
        """Return whether there was a second of it, with these samples and their mean."""
        if samples.ndim == 2 and samples.shape[1] > 1 and len(mean):
            scale = 1.0 if samples.dtype.kind == "f" else 1 / 32768
            power = float(np.square(samples * scale, dtype=np.float32).mean())
            if power > self._LOUD and float(np.square(mean).mean()) < self._SHARE * power:
                self._needed -= len(mean)
        return self._needed <= 0
