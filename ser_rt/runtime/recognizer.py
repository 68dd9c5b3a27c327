"""From chunks of audio to posteriors: the part of a stream that calls the model."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ser_rt.classifier import EmotionClassifier, FloatArray
from ser_rt.errors import AudioInputError, ConfigError
from ser_rt.runtime.audio import AudioChunk
from ser_rt.runtime.defaults import GATE_THRESHOLD, HOP_S, MIN_WINDOW_S, WINDOW_S
from ser_rt.runtime.gate import LevelGate, SpeechGate
from ser_rt.runtime.windower import Window, Windower

SHORTEST_INPUT_S = 0.25
"""Shorter audio is padded with zeros: convolutional networks fail on less than their reach."""


@dataclass(frozen=True, slots=True)
class Posterior:
    """What the model makes of one window.

    Attributes:
        start_s: First sample of the window, in seconds of the stream.
        end_s: End of the window, in seconds of the stream.
        probabilities: float32 ``[labels]``, or None where there was no speech to classify.
        speech: Share of speech in [0, 1] that the gate saw.
        is_partial: Whether the window is shorter than a full one.
        captured_at: Monotonic seconds when the last sample of the window was captured.
        spent_s: Where the time since then went.
    """

    start_s: float
    end_s: float
    probabilities: FloatArray | None
    speech: float
    is_partial: bool
    captured_at: float
    spent_s: Mapping[str, float]


class Recognizer(Protocol):
    """One per stream, cheap to make; holds all that the stream must remember."""

    def feed(self, chunk: AudioChunk) -> list[Posterior]:
        """Take a chunk, return a posterior for every window that it completes."""
        ...

    def flush(self) -> list[Posterior]:
        """Return a posterior for samples that no window has covered yet."""
        ...


class WindowedRecognizer:
    """Classifies a window of the last ``window_s`` seconds every ``hop_s`` seconds.

    The first result comes when ``min_window_s`` are heard. Windows go to the model one at a time:
    a batch could change the last digits, and then the numbers would depend on the chunking.
    """

    def __init__(
        self,
        classifier: EmotionClassifier,
        *,
        window_s: float = WINDOW_S,
        hop_s: float = HOP_S,
        min_window_s: float = MIN_WINDOW_S,
        gate: SpeechGate | None = None,
        gate_threshold: float = GATE_THRESHOLD,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Make the recognizer of one stream.

        Args:
            classifier: The model, shared by all streams.
            window_s: Length of a full window in seconds.
            hop_s: Time from one window to the next in seconds, at most ``window_s``.
            min_window_s: Shortest window in seconds, at most ``window_s``.
            gate: Tells speech from silence; None for a `LevelGate`.
            gate_threshold: Windows with a smaller share of speech are not classified; 0 classifies
                everything.
            clock: Monotonic time in seconds.

        Raises:
            ConfigError: A length is not positive, or longer than the window.
        """
        rate = classifier.sample_rate
        for name, value in (("window", window_s), ("hop", hop_s), ("min_window", min_window_s)):
            if not 1 / rate <= value <= 3600:
                msg = f"{name} must be above 0 and at most an hour, not {value:g} s"
                raise ConfigError(msg)
            if value > window_s:
                msg = f"{name} of {value:g} s is longer than the window of {window_s:g} s"
                raise ConfigError(msg)
        if not 0 <= gate_threshold <= 1:
            msg = f"gate_threshold must be within 0 and 1, not {gate_threshold!r}"
            raise ConfigError(msg)
        self._classifier = classifier
        self._rate = rate
        self._windower = Windower(
            window=round(window_s * rate), hop=round(hop_s * rate), first=round(min_window_s * rate)
        )
        self._gate = gate or LevelGate(rate)
        self._gate_threshold = gate_threshold
        self._clock = clock
        self._last_chunk: AudioChunk | None = None

    def feed(self, chunk: AudioChunk) -> list[Posterior]:
        """Take a chunk, return a posterior for every window that it completes."""
        self._last_chunk = chunk
        return self._classify(self._windower.feed(chunk.samples, chunk.start), chunk)

    def flush(self) -> list[Posterior]:
        """Return a posterior of the last window if some samples have been in none."""
        if self._last_chunk is None:
            return []
        return self._classify(self._windower.flush(), self._last_chunk)

    def _classify(self, windows: Iterable[Window], chunk: AudioChunk) -> list[Posterior]:
        return [self._posterior(window, chunk) for window in windows]

    def _posterior(self, window: Window, chunk: AudioChunk) -> Posterior:
        spent_s = {"queue": chunk.queue_s, "resample": chunk.resample_s}
        captured_at = chunk.captured_at
        if chunk.is_live:
            # The window was complete before its chunk was.
            spent_s["capture"] = (chunk.start + len(chunk.samples) - window.end) / self._rate
            captured_at -= spent_s["capture"]
        started = self._clock()
        speech = self._gate(window.samples, window.start)
        gated = self._clock()
        spent_s["gate"] = gated - started
        probabilities = None
        if speech >= self._gate_threshold:
            probabilities = self._ask(window)
            spent_s["inference"] = self._clock() - gated
        return Posterior(
            start_s=window.start / self._rate,
            end_s=window.end / self._rate,
            probabilities=probabilities,
            speech=speech,
            is_partial=window.is_partial,
            captured_at=captured_at,
            spent_s=spent_s,
        )

    def _ask(self, window: Window) -> FloatArray:
        samples = window.samples
        missing = round(SHORTEST_INPUT_S * self._rate) - len(samples)
        if missing > 0:
            samples = np.pad(samples, (0, missing))
        probabilities: FloatArray = self._classifier(samples[np.newaxis])[0]
        if not np.isfinite(probabilities).all():
            msg = (
                f"the model has no finite answer for {window.start / self._rate:g} to "
                f"{window.end / self._rate:g} s; is the audio within [-1, 1]?"
            )
            raise AudioInputError(msg)
        return probabilities
