"""The engine: one straight line from audio to emotion events.

    source -> AudioChunk -> recognizer.feed -> Posterior -> smoother -> EmotionEvent

All that a stream remembers is in one `Engine`, made for it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import TypedDict

from ser_rt.classifier import EmotionClassifier, WindowDefaults
from ser_rt.errors import ConfigError
from ser_rt.runtime.audio import AudioChunk, SourceWarning
from ser_rt.runtime.decision import Decider, Steadiness
from ser_rt.runtime.defaults import (
    GATE_THRESHOLD,
    HALF_LIFE_S,
    HOP_S,
    MIN_WINDOW_S,
    WINDOW_S,
)
from ser_rt.runtime.episodes import EpisodeTracker
from ser_rt.runtime.event import UNSURE, EmotionEvent, latency_ms
from ser_rt.runtime.gate import LevelGate, SpeechGate
from ser_rt.runtime.recognizer import Posterior, Recognizer, WindowedRecognizer
from ser_rt.runtime.smoother import Smoother


class StreamSettings(TypedDict, total=False):
    """How to listen; what is left out, or None, is as the model was made for.

    Attributes:
        window_s: Length of a full window in seconds.
        hop_s: Time from one result to the next in seconds.
        min_window_s: Audio in seconds before the first, partial result.
        half_life_s: Half-life of the smoothing in seconds; 0 for none.
        steadiness: How firmly an emotion is held before another is named.
        partial: Whether to give results of windows that are not full yet.
        episodes: Whether to give an event for each stretch of one emotion when it has ended.
        vad: Whether a network tells speech from other sound; else the level does.
        gate: Tells speech instead of both; one for each stream.
        gate_threshold: Share of a window that must be speech; 0 classifies everything, and asks
            no network about speech.
        name: Put on each event as its ``source``.
    """

    window_s: float | None
    hop_s: float | None
    min_window_s: float | None
    half_life_s: float
    steadiness: Steadiness
    partial: bool
    episodes: bool
    vad: bool
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
        steadiness: Steadiness | None = None,
        episodes: bool = False,
        name: str | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Join a recognizer and a smoother, both made for this stream alone."""
        self._recognizer, self._smoother = recognizer, smoother
        self._labels, self._rate = classifier.labels, classifier.sample_rate
        self._decider = Decider(steadiness or Steadiness())
        self._episodes = EpisodeTracker() if episodes else None
        self._name, self._clock = name, clock
        self._seq = 0

    @property
    def speech_now(self) -> float:
        """Probability of speech in the newest audio, in [0, 1]."""
        return self._recognizer.speech_now

    @property
    def skipped_windows(self) -> int:
        """Number of live windows that were left out for want of time."""
        return self._recognizer.skipped_windows

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
            yield from self._events(posterior)

    def flush(self) -> Iterator[EmotionEvent]:
        """Yield the event of the last samples, if no window has covered them."""
        for posterior in self._recognizer.flush():
            yield from self._events(posterior)
        if self._episodes is not None:
            yield from self._numbered(self._episodes.flush())

    def _events(self, posterior: Posterior) -> Iterator[EmotionEvent]:
        for warning in posterior.warnings:
            yield self._warning(warning, posterior.end_s)
        event = self._event(posterior)
        yield event
        if self._episodes is not None:
            yield from self._numbered(self._episodes.update(event))

    def _event(self, posterior: Posterior) -> EmotionEvent:
        started = self._clock()
        smoothed = self._smoother.update(posterior)
        held = self._decider.update(smoothed, posterior.end_s)
        probabilities: dict[str, float] = {}
        emotion = confidence = None
        if smoothed is not None:
            probabilities = dict(zip(self._labels, smoothed.tolist(), strict=True))
            emotion = UNSURE if held is None else self._labels[held]
            confidence = float(smoothed.max() if held is None else smoothed[held])
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

    def _numbered(self, episode: EmotionEvent | None) -> Iterator[EmotionEvent]:
        if episode is not None:
            yield replace(episode, seq=self._next_seq())

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
    steadiness: Steadiness | None = None,
    partial: bool = True,
    episodes: bool = False,
    vad: bool = True,
    gate: SpeechGate | None = None,
    gate_threshold: float = GATE_THRESHOLD,
    name: str | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Engine:
    """Make the engine of one stream over a shared classifier; see `StreamSettings`.

    ``clock`` is the one that chunks were captured by.

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
    if gate is None:
        gate = _gate(classifier.sample_rate, vad=vad and gate_threshold > 0)
    recognizer = WindowedRecognizer(
        classifier,
        window_s=window_s,
        hop_s=hop_s,
        min_window_s=min_window_s,
        gate=gate,
        gate_threshold=gate_threshold,
        partial=partial,
        clock=clock,
    )
    return Engine(
        classifier,
        recognizer,
        Smoother(half_life_s),
        steadiness=steadiness,
        episodes=episodes,
        name=name,
        clock=clock,
    )


def _gate(sample_rate: int, *, vad: bool) -> SpeechGate:
    if not vad:
        return LevelGate(sample_rate)
    from ser_rt.runtime.vad import RATE_HZ, SileroGate  # noqa: PLC0415 (loads only where used)

    if sample_rate != RATE_HZ:
        msg = f"speech is told apart at {RATE_HZ} Hz, the model hears {sample_rate} Hz: vad=False"
        raise ConfigError(msg)
    return SileroGate()
