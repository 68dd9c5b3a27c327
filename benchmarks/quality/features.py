"""Features of whole clips: openSMILE's functionals, and mean and deviation of MFCCs."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING

import numpy as np

from ser_rt.benchmarks.quality.kept import kept
from ser_rt.constants import SAMPLE_RATE
from ser_rt.errors import requires

if TYPE_CHECKING:
    from ser_rt.classifier import FloatArray
    from ser_rt.training.data.decoded_cache import AudioCache

Extract = Callable[["FloatArray"], "FloatArray"]
"""Waveform ``[samples]`` at 16 kHz to features ``[features]``; NaN where a value is undefined."""

_COEFFICIENTS = 20
_BLOCK = 256


@dataclass(frozen=True)
class FeatureSet:
    """A set of features: the package that computes them, and a function that loads it."""

    name: str
    package: str
    open: Callable[[], Extract]


def _opensmile(name: str) -> Extract:
    with requires("openSMILE (free for research only)", "opensmile"):
        import opensmile
    smile = opensmile.Smile(
        feature_set=opensmile.FeatureSet[name],
        feature_level=opensmile.FeatureLevel.Functionals,
    )

    def extract(samples: FloatArray) -> FloatArray:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # a clip too short for it gives NaN
            table = smile.process_signal(samples, SAMPLE_RATE)
        return np.asarray(table.to_numpy()[0], np.float32)

    return extract


def _mfcc() -> Extract:
    with requires("librosa", "peers"):
        import librosa

    def extract(samples: FloatArray) -> FloatArray:
        padded = np.pad(samples, (0, max(0, 2048 - samples.size)))
        found = librosa.feature.mfcc(y=padded, sr=SAMPLE_RATE, n_mfcc=_COEFFICIENTS)
        return np.concatenate([found.mean(axis=1), found.std(axis=1)]).astype(np.float32)

    return extract


COMPARE = FeatureSet("ComParE_2016", "opensmile", partial(_opensmile, "ComParE_2016"))
"""6,373 functionals. Schuller et al.: The INTERSPEECH 2016 Computational Paralinguistics
Challenge."""

EGEMAPS = FeatureSet("eGeMAPSv02", "opensmile", partial(_opensmile, "eGeMAPSv02"))
"""88 functionals. Eyben et al.: The Geneva Minimalistic Acoustic Parameter Set (GeMAPS) for voice
research and affective computing. IEEE Transactions on Affective Computing 7(2), 2016."""

MFCC = FeatureSet("mfcc", "librosa", _mfcc)
"""Mean and standard deviation of 20 coefficients over a clip."""


def features_of(
    features: FeatureSet, audio: AudioCache, report: Callable[[str], None]
) -> FloatArray:
    """Return the features of all clips ``[clips, features]``, computed once and then kept.

    They are kept in blocks, so that an interrupted run goes on where it was.

    Raises:
        MissingDependencyError: the package that computes them is not installed.
    """
    extract = features.open()
    blocks = []
    for first in range(0, len(audio), _BLOCK):
        here = range(first, min(first + _BLOCK, len(audio)))

        def make(here: range = here) -> dict[str, FloatArray]:
            report(f"{features.name}: clips {here.start} to {here.stop} of {len(audio)}")
            return {"rows": np.stack([extract(audio[i]) for i in here])}

        key = (version(features.package), [audio.digests[i] for i in here])
        blocks.append(kept(features.name, key, make)["rows"])
    return np.concatenate(blocks)
