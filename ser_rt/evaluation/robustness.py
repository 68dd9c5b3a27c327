"""`RobustnessTest`: clips in short windows, in noise, through telephones and codecs.

Conditions work on mono float32 ``[samples]`` at 16 kHz and keep the length. Noise follows from the
place of the clip in the list, so that every evaluation uses the same noise.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import soundfile
import soxr

from ser_rt.constants import SAMPLE_RATE
from ser_rt.evaluation.scores import uar_by_dataset

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ser_rt.classifier import FloatArray
    from ser_rt.evaluation.metrics import LabelIds

Condition = Callable[["FloatArray", np.random.Generator], "FloatArray"]

_TELEPHONE_HZ = (300.0, 3400.0)
_TELEPHONE_RATE = 8000
_MU = 255.0


def add_white_noise(samples: FloatArray, snr_db: float, rng: np.random.Generator) -> FloatArray:
    """Add white noise `snr_db` below the clip's mean power."""
    noise = rng.standard_normal(len(samples), np.float32)
    power = np.mean(np.square(samples), dtype=np.float64)
    return samples + noise * np.float32(np.sqrt(power * 10 ** (-snr_db / 10)))


def telephone(samples: FloatArray) -> FloatArray:
    """Pass through a telephone: 8 kHz, 300 to 3400 Hz, 8-bit mu-law (ITU-T G.711)."""
    narrow = soxr.resample(samples, SAMPLE_RATE, _TELEPHONE_RATE)
    spectrum = np.fft.rfft(narrow)
    frequency = np.fft.rfftfreq(len(narrow), 1 / _TELEPHONE_RATE)
    spectrum[(frequency < _TELEPHONE_HZ[0]) | (frequency > _TELEPHONE_HZ[1])] = 0
    band = np.clip(np.fft.irfft(spectrum, len(narrow)), -1, 1)
    compressed = np.sign(band) * np.log1p(_MU * np.abs(band)) / np.log1p(_MU)
    coded = np.round(compressed * 127) / 127
    decoded = np.sign(coded) * np.expm1(np.abs(coded) * np.log1p(_MU)) / _MU
    wide = soxr.resample(decoded.astype(np.float32), _TELEPHONE_RATE, SAMPLE_RATE)
    return _fit(wide, len(samples))


def opus(samples: FloatArray) -> FloatArray:
    """Encode with Opus at the lowest rate of libsndfile (6 to 10 kbit/s), and decode again."""
    file = io.BytesIO()
    soundfile.write(file, samples, SAMPLE_RATE, format="OGG", subtype="OPUS", compression_level=1.0)
    file.seek(0)
    decoded, _ = soundfile.read(file, dtype="float32")
    return _fit(decoded, len(samples))


def gain(samples: FloatArray, gain_db: float) -> FloatArray:
    """Make louder or quieter; nothing is clipped."""
    return samples * np.float32(10 ** (gain_db / 20))


def clip(samples: FloatArray, share: float) -> FloatArray:
    """Clip as an overdriven microphone does: that `share` of the samples reaches the limit."""
    limit = np.float32(np.quantile(np.abs(samples), 1 - share))
    return np.clip(samples, -limit, limit)


CONDITIONS: dict[str, Condition] = {
    "noise 20 dB": lambda samples, rng: add_white_noise(samples, 20, rng),
    "noise 10 dB": lambda samples, rng: add_white_noise(samples, 10, rng),
    "telephone": lambda samples, _: telephone(samples),
    "opus": lambda samples, _: opus(samples),
    "gain +12 dB": lambda samples, _: gain(samples, 12),
    "gain -12 dB": lambda samples, _: gain(samples, -12),
    "clipping 5 %": lambda samples, _: clip(samples, 0.05),
}
"""Conditions of the robustness test, besides the clip as it is."""


WINDOW_LENGTHS_S = (3.0, 2.0, 1.0)
"""Window lengths in seconds of the robustness test, besides the whole clip."""

_WHOLE = "whole"


class RobustnessTest:
    """Collects a model's predictions for the same clips in short windows and other conditions.

    Args:
        classify: waveforms of any lengths to probabilities ``[waveforms, labels]``.
        sample_rate: of the waveforms, in Hz.
    """

    def __init__(
        self, classify: Callable[[Sequence[FloatArray]], FloatArray], sample_rate: int
    ) -> None:
        """Start with no predictions."""
        self._classify = classify
        self._sample_rate = sample_rate
        self._predictions: dict[str, tuple[list[int], list[int]]] = {}

    def add(self, clips: Mapping[int, FloatArray], whole: Mapping[int, FloatArray]) -> None:
        """Classify clips; samples and probabilities of the whole clip are by place in the list."""
        self._note(_WHOLE, list(clips), np.stack([whole[place] for place in clips]))
        for length_s in WINDOW_LENGTHS_S:
            length = round(length_s * self._sample_rate)
            cut = {place: side_by_side(samples, length) for place, samples in clips.items()}
            owners = [place for place, windows in cut.items() for _ in windows]
            flat = [window for windows in cut.values() for window in windows]
            self._note(f"{length_s:g} s", owners, self._classify(flat))
        for name, change in CONDITIONS.items():
            changed = [change(x, np.random.default_rng(place)) for place, x in clips.items()]
            self._note(name, list(clips), self._classify(changed))

    def windows(
        self, true: LabelIds, datasets: Sequence[str] | None
    ) -> dict[str, dict[str, float]]:
        """UAR of windows by length, over all and by dataset; `true` are ids of the whole list."""
        return self._uar((_WHOLE, *(f"{s:g} s" for s in WINDOW_LENGTHS_S)), true, datasets)

    def robustness(
        self, true: LabelIds, datasets: Sequence[str] | None
    ) -> dict[str, dict[str, float]]:
        """UAR of whole clips by condition, over all and by dataset."""
        return self._uar((_WHOLE, *CONDITIONS), true, datasets)

    def _note(self, name: str, owners: list[int], probabilities: FloatArray) -> None:
        places, predicted = self._predictions.setdefault(name, ([], []))
        places += owners
        predicted += probabilities.argmax(axis=1).tolist()

    def _uar(
        self, names: Sequence[str], true: LabelIds, datasets: Sequence[str] | None
    ) -> dict[str, dict[str, float]]:
        found = {}
        for name in names:
            places, predicted = (np.array(part, np.int64) for part in self._predictions[name])
            origin = None if datasets is None else [datasets[i] for i in places.tolist()]
            found[name] = uar_by_dataset(true[places], predicted, origin)
        return found


def side_by_side(samples: FloatArray, length: int) -> list[FloatArray]:
    """Cut windows of `length` samples from the start; a shorter clip is one window, whole.

    >>> [len(w) for w in side_by_side(np.zeros(7, np.float32), 3)]
    [3, 3]
    """
    last = max(len(samples) - length, 0)
    return [samples[start : start + length] for start in range(0, last + 1, length)]


def _fit(samples: FloatArray, length: int) -> FloatArray:
    return np.pad(samples[:length], (0, max(0, length - len(samples)))).astype(np.float32)
