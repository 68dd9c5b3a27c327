"""The engine: one straight line from audio to emotion events.

    source -> AudioChunk -> recognizer.feed -> Posterior -> smoother -> EmotionEvent

All that a stream remembers is in one `Engine`, made for it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Protocol

from ser_rt.audio.block import SourceWarning
from ser_rt.audio.chunk import AudioChunk
from ser_rt.classifier import EmotionClassifier
from ser_rt.errors import AudioError, DeviceError
from ser_rt.runtime.episodes import EpisodeTracker
from ser_rt.runtime.event import UNSURE, EmotionEvent, latency_ms
from ser_rt.runtime.hysteresis import Hysteresis, HysteresisSettings
from ser_rt.runtime.recognizers.windowed import Posterior, Recognizer
from ser_rt.runtime.smoother import Smoother


class StreamEngine(Protocol):
    """What hears one stream: an `Engine`, or what stands for one elsewhere."""

    @property
    def speech_now(self) -> float:
        """Probability of speech in the newest audio, in [0, 1]."""
        ...

    @property
    def skipped_windows(self) -> int:
        """Number of live windows that were left out for want of time."""
        ...

    @property
    def heard_s(self) -> float:
        """Seconds of audio heard so far; gaps are none."""
        ...

    def run(self, source: Iterable[AudioChunk]) -> Iterator[EmotionEvent]:
        """Yield the events of a whole source."""
        ...

    def flush(self) -> Iterator[EmotionEvent]:
        """Yield the events that are still to come after an interrupt."""
        ...


class Engine:
    """The state of one stream, fed with chunks."""

    def __init__(
        self,
        classifier: EmotionClassifier,
        recognizer: Recognizer,
        smoother: Smoother,
        *,
        steadiness: HysteresisSettings | None = None,
        episodes: bool = False,
        name: str | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Join a recognizer and a smoother, both made for this stream alone."""
        self._recognizer, self._smoother = recognizer, smoother
        self._labels, self._rate = classifier.labels, classifier.sample_rate
        self._decider = Hysteresis(steadiness or HysteresisSettings())
        self._episodes = EpisodeTracker() if episodes else None
        self._name, self._clock = name, clock
        self._seq = self._heard = 0

    @property
    def speech_now(self) -> float:
        """Probability of speech in the newest audio, in [0, 1]."""
        return self._recognizer.speech_now

    @property
    def skipped_windows(self) -> int:
        """Number of live windows that were left out for want of time."""
        return self._recognizer.skipped_windows

    @property
    def heard_s(self) -> float:
        """Seconds of audio heard so far; gaps are none."""
        return self._heard / self._rate

    def run(self, source: Iterable[AudioChunk]) -> Iterator[EmotionEvent]:
        """Yield the events of a whole source; if it breaks, first those of what was heard."""
        try:
            for chunk in source:
                yield from self.feed(chunk)
        except (AudioError, DeviceError):
            yield from self.flush()
            raise
        yield from self.flush()

    def feed(self, chunk: AudioChunk) -> Iterator[EmotionEvent]:
        """Yield the events that a chunk brings."""
        self._heard += len(chunk.samples)
        at_s = chunk.start / self._rate
        for warning in chunk.warnings:
            yield self._warning(warning, at_s)
        for posterior in self._recognizer.feed(chunk):
            yield from self._events(posterior)

    def flush(self) -> Iterator[EmotionEvent]:
        """Yield the event of the last samples, if no window has covered them.

        It needs no source, so it can follow an interrupt; a second call has nothing to add.
        """
        for posterior in self._recognizer.flush():
            yield from self._events(posterior)
        if self._episodes is not None:
            yield from self._numbered(self._episodes.flush())

    def _events(self, posterior: Posterior) -> Iterator[EmotionEvent]:
        for warning in posterior.warnings:
            yield self._warning(warning, posterior.end_s)
        event = self._event(posterior)
        # Before the event goes out: an interrupt may end its writing, and the flush comes next.
        ended = None if self._episodes is None else self._episodes.update(event)
        yield event
        yield from self._numbered(ended)

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
