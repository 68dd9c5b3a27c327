"""The engine: one straight line from audio to emotion events.

    source -> AudioChunk -> recognizer.feed -> Posterior -> smoother -> EmotionEvent

All that a stream remembers is in one `Engine`, made for it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypedDict

from ser_rt.classifier import EmotionClassifier, WindowDefaults
from ser_rt.runtime.audio import AudioChunk, SourceWarning
from ser_rt.runtime.defaults import (
    GATE_THRESHOLD,
    HALF_LIFE_S,
    HOP_S,
    MIN_WINDOW_S,
    WINDOW_S,
)
from ser_rt.runtime.event import EmotionEvent, latency_ms
from ser_rt.runtime.gate import SpeechGate
from ser_rt.runtime.recognizer import Posterior, Recognizer, WindowedRecognizer
from ser_rt.runtime.smoother import Smoother


class StreamSettings(TypedDict, total=False):
    """How to listen; what is left out, or None, is as the model was made for.

    Attributes:
        window_s: Length of a full window in seconds.
        hop_s: Time from one result to the next in seconds.
        min_window_s: Audio in seconds before the first, partial result.
        half_life_s: Half-life of the smoothing in seconds; 0 for none.
        gate: Tells speech from silence; None for the level gate.
        gate_threshold: Share of a window that must be speech; 0 classifies silence too.
        name: Put on each event as its ``source``.
    """

    window_s: float | None
    hop_s: float | None
    min_window_s: float | None
    half_life_s: float
    gate: SpeechGate | None
    gate_threshold: float
    name: str | None


class Engine:
    """The state of one stream, fed with chunks."""

    def __init__(
        self,
        classifier: EmotionClassifier,
        recognizer: Recognizer,
        smoother: Smoother,
        *,
        name: str | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Join a recognizer and a smoother, both made for this stream alone."""
        self._recognizer, self._smoother = recognizer, smoother
        self._labels, self._rate = classifier.labels, classifier.sample_rate
        self._name, self._clock = name, clock
        self._seq = 0

    def run(self, source: Iterable[AudioChunk]) -> Iterator[EmotionEvent]:
        """Yield the events of a whole source."""
        for chunk in source:
            yield from self.feed(chunk)
        yield from self.flush()

    def feed(self, chunk: AudioChunk) -> Iterator[EmotionEvent]:
        """Yield the events that a chunk brings."""
        at_s = chunk.start / self._rate
        for warning in chunk.warnings:
            yield self._warning(warning, at_s)
        for posterior in self._recognizer.feed(chunk):
            yield self._event(posterior)

    def flush(self) -> Iterator[EmotionEvent]:
        """Yield the event of the last samples, if no window has covered them."""
        for posterior in self._recognizer.flush():
            yield self._event(posterior)

    def _event(self, posterior: Posterior) -> EmotionEvent:
        started = self._clock()
        smoothed = self._smoother.update(posterior)
        probabilities: dict[str, float] = {}
        emotion = confidence = None
        if smoothed is not None:
            probabilities = dict(zip(self._labels, smoothed.tolist(), strict=True))
            emotion = self._labels[int(smoothed.argmax())]
            confidence = probabilities[emotion]
        now = self._clock()
        return EmotionEvent(
            type="no_speech" if emotion is None else "emotion",
            seq=self._next_seq(),
            start=posterior.start_s,
            end=posterior.end_s,
            emotion=emotion,
            confidence=confidence,
            probabilities=probabilities,
            speech=round(posterior.speech, 6),
            partial=posterior.is_partial,
            latency_ms=latency_ms(
                now - posterior.captured_at, {**posterior.spent_s, "smoothing": now - started}
            ),
            source=self._name,
        )

    def _warning(self, warning: SourceWarning, at_s: float) -> EmotionEvent:
        return EmotionEvent(
            type="warning",
            seq=self._next_seq(),
            start=at_s,
            end=at_s,
            code=warning.code,
            message=warning.message,
            source=self._name,
        )

    def _next_seq(self) -> int:
        self._seq += 1
        return self._seq - 1


def make_engine(
    classifier: EmotionClassifier,
    *,
    window_s: float | None = None,
    hop_s: float | None = None,
    min_window_s: float | None = None,
    half_life_s: float = HALF_LIFE_S,
    gate: SpeechGate | None = None,
    gate_threshold: float = GATE_THRESHOLD,
    name: str | None = None,
) -> Engine:
    """Make the engine of one stream over a shared classifier; see `StreamSettings`.

    Raises:
        ConfigError: A setting is out of range.
    """
    made_for = classifier if isinstance(classifier, WindowDefaults) else None
    if window_s is None:
        window_s = made_for.window_s if made_for else WINDOW_S
    if hop_s is None:
        hop_s = min(made_for.hop_s if made_for else HOP_S, window_s)
    if min_window_s is None:
        min_window_s = min(made_for.min_window_s if made_for else MIN_WINDOW_S, window_s)
    recognizer = WindowedRecognizer(
        classifier,
        window_s=window_s,
        hop_s=hop_s,
        min_window_s=min_window_s,
        gate=gate,
        gate_threshold=gate_threshold,
    )
    return Engine(classifier, recognizer, Smoother(half_life_s), name=name)
