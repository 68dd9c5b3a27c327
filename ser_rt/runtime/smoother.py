"""`Smoother`: what is believed of a voice's emotion, result by result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from ser_rt.classifier import FloatArray
from ser_rt.constants import NEUTRAL
from ser_rt.errors import ConfigError
from ser_rt.profiles import Naming
from ser_rt.runtime.recognizers.recognizer import Posterior

_SMALLEST = 1e-6
"""A probability that a network cannot tell from 0: no one result rules an emotion out."""
_LONGEST_S = 1.0
"""A result counts for no more seconds than this, however long it was in coming."""


class Smoother:
    """Forward recursion of a hidden Markov model whose states are the emotions.

    Of what was believed ``t`` seconds ago the share ``0.5 ** (t / half_life_s)`` is kept; the rest
    goes to what is believed of a new voice. Each result then multiplies it, with the exponent
    ``weight_per_s * t``, since results that follow each other are not independent (Rabiner: A
    tutorial on hidden Markov models. Proceedings of the IEEE 77(2), 1989; the exponent is the
    acoustic scale of speech recognition). So time counts, and not how many results there are. A
    window without speech, one that does not touch the one before, or the first of another speaker
    starts anew: another utterance follows.
    """

    def __init__(self, naming: Naming, labels: Sequence[str]) -> None:
        """Begin a stream; a half-life of 0 turns smoothing off.

        Raises:
            ConfigError: ``neutral`` is set, and the model has no such label.
        """
        self._naming = naming
        self._prior = _prior(naming.neutral, labels)
        self._belief: npt.NDArray[np.float64] | None = None
        self._end_s = 0.0

    def update(self, posterior: Posterior) -> FloatArray | None:
        """Return the probabilities believed now ``[labels]``, or None where there is no speech."""
        fresh = posterior.probabilities
        if fresh is None or self._naming.half_life_s == 0:
            self._belief = None
            return fresh
        is_touching = posterior.start_s <= self._end_s and not posterior.is_new_speaker
        if self._belief is None or not is_touching:
            expected, passed_s = self._prior, posterior.end_s - posterior.start_s
        else:
            passed_s = posterior.end_s - self._end_s
            kept = 0.5 ** (passed_s / self._naming.half_life_s)
            expected = self._prior + kept * (self._belief - self._prior)
        exponent = self._naming.weight_per_s * min(passed_s, _LONGEST_S)
        belief = expected * np.maximum(fresh.astype(np.float64), _SMALLEST) ** exponent
        self._belief, self._end_s = belief / belief.sum(), posterior.end_s
        return self._belief.astype(np.float32)


def tempered(
    probabilities: FloatArray, speech_s: float, temperatures: Mapping[float, float]
) -> FloatArray:
    """Return probabilities ``[labels]`` as sure as the seconds of speech let them be.

    Their logits are divided by the temperature of the seconds of speech, between two of which it is
    interpolated (Guo et al., ICML 2017, by length).
    """
    temperature = np.interp(speech_s, list(temperatures), list(temperatures.values()))
    powers = np.maximum(probabilities, 1e-12) ** np.float32(1 / temperature)
    scaled: FloatArray = powers / powers.sum()
    return scaled


def _prior(neutral: float | None, labels: Sequence[str]) -> npt.NDArray[np.float64]:
    count = len(labels)
    prior = np.full(count, 1 / count)
    if neutral is None or count == 1:
        return prior
    if NEUTRAL not in labels:
        msg = (
            f"neutral is {neutral:g}, but the model's labels are {', '.join(labels)}: leave it out"
        )
        raise ConfigError(msg)
    prior[:] = (1 - neutral) / (count - 1)
    prior[list(labels).index(NEUTRAL)] = neutral
    return prior
