"""PyAV: its import, its errors, and its frames as arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from ser_rt.audio.block import Frames
from ser_rt.errors import AudioDecodeError

_DTYPES = {
    "u8": np.uint8,
    "s16": np.int16,
    "s32": np.int32,
    "s64": np.int64,
    "flt": np.float32,
    "dbl": np.float64,
}
"""Type of FFmpeg's samples, by the name of their format without its p for planar."""


def rate(stream: Any) -> int:
    """Return the rate of a track in Hz, 0 if it is unknown."""
    return getattr(stream, "rate", None) or 0  # a codec that FFmpeg has not has none


def temporary(av: Any) -> tuple[type[Exception], ...]:
    """Return the errors after which reading may go on."""
    return av.error.InvalidDataError, av.error.UndefinedError, av.error.BlockingIOError


_MOST_PLANES = 7
"""PyAV's list of planes ends at a null pointer, which there is behind no more than so many."""


def floats(frame: Any) -> Frames:
    """Return a frame as float32 ``[frames, channels]`` in [-1, 1]."""
    kind, channels, count = frame.format.name, frame.layout.nb_channels, frame.samples
    dtype = _DTYPES[kind.removesuffix("p")]
    if kind.endswith("p") and channels > _MOST_PLANES:
        frame, kind = _packed(frame, kind.removesuffix("p")), kind.removesuffix("p")
    if channels == 1:
        samples = np.frombuffer(frame.planes[0], dtype, count)[:, np.newaxis]
    elif kind.endswith("p"):
        samples = np.stack([np.frombuffer(plane, dtype, count) for plane in frame.planes], axis=1)
    else:
        samples = np.frombuffer(frame.planes[0], dtype, count * channels).reshape(-1, channels)
    if dtype == np.float32:
        return samples.copy()  # the frame's memory is the decoder's
    if dtype == np.float64:
        with np.errstate(over="ignore"):
            return samples.astype(np.float32)
    if dtype == np.uint8:
        return np.asarray((samples.astype(np.float32) - 128) / 128, np.float32)
    scale = np.float32(2.0 ** (1 - 8 * samples.dtype.itemsize))
    return np.asarray(samples.astype(np.float32) * scale, np.float32)


def _packed(frame: Any, kind: str) -> Any:
    from av import AudioResampler

    (packed,) = AudioResampler(format=kind).resample(frame)
    return packed


def load(name: str) -> Any:
    """Return PyAV, or raise `AudioDecodeError` for a recording that needs it."""
    try:
        import av
    except ImportError as error:
        msg = f"{name} is in no format that libsndfile reads: pip install 'ser-rt[media]'"
        raise AudioDecodeError(msg) from error
    return av
