"""Lossy channels that recordings pass through: telephone lines, codecs at low rates, clipping.

Each keeps the length of mono float32 ``[samples]`` at 16 kHz. libsndfile encodes and decodes in
memory; a window of 3 s takes about 1 ms (G.711), 10 ms (GSM, Vorbis), 20 ms (MP3) and 40 to 80 ms
(Opus).
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import soundfile
import soxr

from ser_rt.classifier import FloatArray
from ser_rt.constants import SAMPLE_RATE

Change = Callable[[FloatArray, np.random.Generator], FloatArray]

_NARROW_HZ = 8_000
_MP3_DELAY = 1_105
"""Samples that an MP3 decoder puts before the sound where the file does not say how many."""


def clip(samples: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Cut off what is above 20 to 80 % of the peak, as an input level set too high does."""
    peak = float(np.abs(samples).max(initial=0.0)) * rng.uniform(0.2, 0.8)
    return np.clip(samples, -peak, peak)


def g711(samples: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Narrow to a telephone's band, in A-law or mu-law (ITU-T G.711)."""
    return _telephone(samples, rng, str(rng.choice(["ALAW", "ULAW"])))


def gsm(samples: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Narrow to a telephone's band, coded as by the first mobile phones (GSM 06.10, 13 kbit/s).

    It stands for AMR, which libsndfile does not have.
    """
    return _telephone(samples, rng, "GSM610")


def vorbis(samples: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Code as Ogg Vorbis at 30 to 50 kbit/s."""
    return _coded(samples, SAMPLE_RATE, "OGG", "VORBIS", compression_level=rng.uniform(0.6, 1.0))


def opus(samples: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Code as Opus at 9 to 60 kbit/s."""
    return _coded(samples, SAMPLE_RATE, "OGG", "OPUS", compression_level=rng.uniform(0.8, 1.0))


def mp3(samples: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Code as MP3 at 16 to 64 kbit/s."""
    return _coded(
        samples,
        SAMPLE_RATE,
        "MP3",
        "MPEG_LAYER_III",
        compression_level=rng.uniform(0.6, 0.97),
        bitrate_mode="CONSTANT",
    )


CHANNELS: dict[str, tuple[float, Change]] = {
    "g711": (0.3, g711),
    "gsm": (0.2, gsm),
    "vorbis": (0.2, vorbis),
    "mp3": (0.15, mp3),
    "opus": (0.15, opus),
}
"""Channels by name, each with its share; the shares add up to 1."""


def pass_channel(samples: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Pass a clip through one of `CHANNELS`."""
    shares, changes = zip(*CHANNELS.values(), strict=True)
    change: Change = changes[int(rng.choice(len(shares), p=shares))]
    return change(samples, rng)


def _telephone(samples: FloatArray, rng: np.random.Generator, subtype: str) -> FloatArray:
    size = 1 << (samples.size - 1).bit_length()
    spectrum = np.fft.rfft(samples, size)
    hz = np.linspace(0.0, SAMPLE_RATE / 2, spectrum.size)
    low, high = rng.uniform(200, 400), rng.uniform(3000, 3600)
    # Edges as wide as a filter of a telephone has them.
    spectrum *= np.clip((hz - low) / 100 + 1, 0, 1) * np.clip((high - hz) / 300 + 1, 0, 1)
    band = np.fft.irfft(spectrum, size)[: samples.size].astype(np.float32)
    narrow = soxr.resample(band, SAMPLE_RATE, _NARROW_HZ, "LQ")
    coded = _coded(narrow, _NARROW_HZ, "WAV", subtype)
    return _fit(soxr.resample(coded, _NARROW_HZ, SAMPLE_RATE, "LQ"), samples.size)


def _coded(samples: FloatArray, rate: int, format_: str, subtype: str, **how: Any) -> FloatArray:
    file = io.BytesIO()
    soundfile.write(file, samples.clip(-1, 1), rate, format=format_, subtype=subtype, **how)
    file.seek(0)
    decoded, _ = soundfile.read(file, dtype="float32")
    if format_ == "MP3":
        decoded = decoded[min(_MP3_DELAY, max(0, decoded.size - samples.size)) :]
    return _fit(decoded, samples.size)


def _fit(samples: FloatArray, size: int) -> FloatArray:
    return np.pad(samples[:size], (0, max(0, size - samples.size))).astype(np.float32, copy=False)
