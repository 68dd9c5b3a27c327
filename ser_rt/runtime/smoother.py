"""`Smoother`, exponential smoothing of probabilities over time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from ser_rt.checks import at_least, require
from ser_rt.classifier import FloatArray
from ser_rt.constants import HALF_LIFE_S
from ser_rt.runtime.recognizers.windowed import Posterior


class Smoother:
    """Exponential smoothing with a half-life in seconds, whatever the hop.

    A result of ``t`` seconds ago keeps the weight ``0.5 ** (t / half_life_s)``. A window without
    speech, or one that does not touch the one before, starts anew: another utterance follows.
    """

    def __init__(self, half_life_s: float = HALF_LIFE_S) -> None:
        """Set the half-life in seconds; 0 turns smoothing off."""
        require("half_life_s", half_life_s, at_least(0))
        self._half_life_s = half_life_s
        self._state: FloatArray | None = None
        self._end_s = 0.0

    def update(self, posterior: Posterior) -> FloatArray | None:
        """Return the smoothed probabilities ``[labels]``, or None where there is no speech."""
        fresh = posterior.probabilities
        if fresh is None or self._half_life_s == 0:
            self._state = None
            return fresh
        if self._state is None or posterior.start_s > self._end_s:
            self._state = fresh
        else:
            kept = np.float32(0.5 ** ((posterior.end_s - self._end_s) / self._half_life_s))
            self._state = fresh + kept * (self._state - fresh)
        self._end_s = posterior.end_s
        return self._state


def tempered(posterior: Posterior, temperatures: Mapping[float, float]) -> Posterior:
    """Return a posterior as sure as the speech in its window lets it be.

    Its logits are divided by the temperature of the seconds of speech, between two of which it is
    interpolated (Guo et al., ICML 2017, by length).
    """
    if posterior.probabilities is None:
        return posterior
    heard_s = posterior.speech * (posterior.end_s - posterior.start_s)
    temperature = np.interp(heard_s, list(temperatures), list(temperatures.values()))
    powers = np.maximum(posterior.probabilities, 1e-12) ** np.float32(1 / temperature)
    return replace(posterior, probabilities=powers / powers.sum())
