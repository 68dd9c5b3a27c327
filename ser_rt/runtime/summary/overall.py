"""`Overall`, the emotion of a whole recording: one definition for every tool.

It is the mean of the log-probabilities of its windows as the model gave them, before any smoothing,
each weighted by its seconds of speech: a window that is sure counts for more than one that
guesses, and one full of speech for more than a beginning. docs/experiments.md has alternatives.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ser_rt.runtime.event import korean_name

if TYPE_CHECKING:
    from ser_rt.runtime.recognizers.recognizer import Posterior

_LEAST = 1e-6
"""Smaller probabilities count as this: one window alone excludes nothing."""


@dataclass(frozen=True, slots=True)
class Classification:
    """The emotion of a recording; None where no speech was found.

    Attributes:
        emotion: English name of the likeliest emotion.
        confidence: Its probability, in [0, 1].
        probabilities: Probability of every emotion by English name; they sum to 1.
        duration_s: Seconds of audio.
        speech_s: About how many of them are speech.
        warnings: What is wrong with the audio, such as two channels that cancel each other.
    """

    emotion: str | None = None
    confidence: float | None = None
    probabilities: Mapping[str, float] = field(default_factory=dict)
    duration_s: float = 0.0
    speech_s: float = 0.0
    warnings: tuple[str, ...] = ()

    @property
    def korean(self) -> str | None:
        """Korean name of the emotion, or the English one if it has none."""
        return None if self.emotion is None else korean_name(self.emotion)

    def to_dict(self) -> dict[str, Any] | None:
        """Return emotion, confidence and probabilities; None where no speech was found."""
        if self.emotion is None or self.confidence is None:
            return None
        return {
            "emotion": self.emotion,
            "confidence": round(self.confidence, 6),
            "probabilities": {name: round(p, 6) for name, p in self.probabilities.items()},
        }


class Overall:
    """Weighted sums of the windows of one stream, of constant size."""

    def __init__(self, labels: Iterable[str]) -> None:
        self._labels = tuple(labels)
        self._sums = np.zeros(len(self._labels))
        self._weight = self._speech_s = self._end_s = 0.0

    def add(self, window: Posterior) -> None:
        """Take the result of a window, speech or not; windows come in their order."""
        new_s = window.end_s - max(window.start_s, self._end_s)
        self._speech_s += window.speech * max(0.0, new_s)
        self._end_s = window.end_s
        if window.probabilities is not None:
            # A window that was classified counts, even if its level alone spoke for it.
            weight = max(window.speech, 1e-3) * (window.end_s - window.start_s)
            self._sums += weight * np.log(np.maximum(window.probabilities, _LEAST))
            self._weight += weight

    def joined(self, other: Overall) -> Overall:
        """Return the sums of two streams, such as the channels of one recording."""
        both = Overall(self._labels)
        both._sums, both._weight = self._sums + other._sums, self._weight + other._weight
        both._speech_s = self._speech_s + other._speech_s
        return both

    def result(self, duration_s: float) -> Classification:
        """Return the emotion of the audio so far, which lasts ``duration_s``."""
        if not self._weight:
            return Classification(duration_s=duration_s, speech_s=self._speech_s)
        shares = np.exp(self._sums / self._weight)
        shares /= shares.sum()
        best = int(shares.argmax())
        return Classification(
            emotion=self._labels[best],
            confidence=float(shares[best]),
            probabilities=dict(zip(self._labels, shares.tolist(), strict=True)),
            duration_s=duration_s,
            speech_s=self._speech_s,
        )
