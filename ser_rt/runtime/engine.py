"""`Engine`, the state of one stream: one straight line from audio to emotion events.

source -> AudioChunk -> recognizer.feed -> Posterior -> smoother -> Event
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Protocol

from ser_rt.audio.block import SourceWarning
from ser_rt.audio.chunk import AudioChunk
from ser_rt.classifier import EmotionClassifier
from ser_rt.errors import AudioError, DeviceError
from ser_rt.runtime.episodes import EpisodeTracker, Lag
from ser_rt.runtime.event import UNSURE, EmotionEvent, Event, NoSpeechEvent, TurnEvent, WarningEvent
from ser_rt.runtime.event.latency import latency_ms, wall_time
from ser_rt.runtime.hysteresis import Hysteresis
from ser_rt.runtime.recognizers.extras import Extras
from ser_rt.runtime.recognizers.making import make_recognizer
from ser_rt.runtime.recognizers.recognizer import Posterior, Recognizer
from ser_rt.runtime.settings import DEFAULTS, StreamSettings
from ser_rt.runtime.smoother import Smoother, tempered
from ser_rt.runtime.summary.overall import Classification, Overall
from ser_rt.runtime.turns.tracker import TurnTracker, make_turns

logger = logging.getLogger(__name__)


class StreamEngine(Protocol):
    """Interface of an `Engine`, here or on a server."""

    @property
    def speech_now(self) -> float:
        """Probability of speech in the newest audio, in [0, 1]."""
        ...

    @property
    def skipped_windows(self) -> int:
        """Number of live windows that were left out because the model was too slow."""
        ...

    @property
    def processed_s(self) -> float:
        """Seconds of audio processed so far, without gaps."""
        ...

    @property
    def overall(self) -> Classification:
        """The emotion of all audio so far."""
        ...

    def run(self, source: Iterable[AudioChunk]) -> Iterator[Event]:
        """Yield the events of a whole source."""
        ...

    def flush(self) -> Iterator[Event]:
        """Yield the remaining events, after an interrupt."""
        ...


class ChunkEngine(StreamEngine, Protocol):
    """Base of engines that are fed chunk by chunk: `Engine`, and one for several channels."""

    @property
    def sums(self) -> Overall:
        """The sums behind `overall`."""
        ...

    @property
    def turn(self) -> TurnEvent | None:
        """The answer so far of the turn that has not ended; None where nobody speaks."""
        ...

    @property
    def overall(self) -> Classification:
        """The emotion of all audio so far."""
        return self.sums.result(self.processed_s)

    def feed(self, chunk: AudioChunk) -> Iterator[Event]:
        """Yield the events that a chunk completes."""
        ...

    def run(self, source: Iterable[AudioChunk]) -> Iterator[Event]:
        """Yield the events of a whole source; if it breaks, first those of the audio before."""
        try:
            for chunk in source:
                yield from self.feed(chunk)
        except (AudioError, DeviceError):
            yield from self.flush()
            raise
        yield from self.flush()


class Engine(ChunkEngine):
    """State of one stream, fed with chunks."""

    def __init__(
        self,
        classifier: EmotionClassifier,
        recognizer: Recognizer,
        smoother: Smoother,
        *,
        settings: StreamSettings = DEFAULTS,
        temperatures: Mapping[float, float] | None = None,
        turns: TurnTracker | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Join a recognizer and a smoother, both made for this stream; `make_engine` does.

        ``temperatures`` are those by the seconds of speech; None for the model's. ``turns`` follows
        the speech that the recognizer detects.
        """
        self._recognizer, self._smoother = recognizer, smoother
        self._labels, self._rate = classifier.labels, classifier.sample_rate
        self._extras = Extras(classifier)
        self._naming = settings.naming_for(classifier)
        self._hysteresis = Hysteresis(self._naming)
        own = getattr(classifier, "temperature_by_speech", {})
        self._temperatures = own if temperatures is None else temperatures
        self._lag = Lag.of(settings, classifier)
        self._wants_episodes = settings.episodes
        self._episodes: EpisodeTracker | None = None
        self._turns, self._turn_updates = turns, settings.turn_updates
        self._name, self._clock = settings.name, clock
        self._chunk: AudioChunk | None = None
        self._sums = Overall(self._labels)
        self._seq = self._samples = 0
        self._is_live = False

    @property
    def speech_now(self) -> float:
        """Probability of speech in the newest audio, in [0, 1]."""
        return self._recognizer.speech_now

    @property
    def skipped_windows(self) -> int:
        """Number of live windows that were left out because the model was too slow."""
        return self._recognizer.skipped_windows

    @property
    def processed_s(self) -> float:
        """Seconds of audio processed so far, without gaps."""
        return self._samples / self._rate

    @property
    def turn(self) -> TurnEvent | None:
        """The answer so far of the turn that has not ended; None where nobody speaks."""
        return None if self._turns is None else self._turns.now

    @property
    def sums(self) -> Overall:
        """The sums behind `overall`."""
        return self._sums

    def feed(self, chunk: AudioChunk) -> Iterator[Event]:
        """Yield the events that a chunk completes."""
        self._samples += len(chunk.samples)
        self._chunk, self._is_live = chunk, chunk.is_live
        if self._wants_episodes and self._episodes is None:
            self._episodes = EpisodeTracker(None if chunk.is_live else self._lag)
        at_s = chunk.start / self._rate
        for warning in chunk.warnings:
            yield self._warning(warning, at_s)
        for posterior in self._recognizer.feed(chunk):
            yield from self._events(posterior)
        yield from self._ended_turns()

    def flush(self) -> Iterator[Event]:
        """Yield the event of the last samples, if no window has covered them.

        It needs no source, so it can follow an interrupt; a second call yields nothing.
        """
        for posterior in self._recognizer.flush():
            yield from self._events(posterior)
        if self._episodes is not None:
            yield from self._numbered(self._episodes.flush())
        if self._turns is not None:
            self._turns.end()
            yield from self._ended_turns()

    def _events(self, posterior: Posterior) -> Iterator[Event]:
        yield from self._ended_turns()
        for warning in posterior.warnings:
            yield self._warning(warning, posterior.end_s)
        event = self._event(posterior)
        # Before the event goes out: an interrupt may end its writing, and the flush comes next.
        ended = None if self._episodes is None else self._episodes.update(event)
        yield event
        yield from self._numbered(ended)
        if self._turns is not None:
            self._turns.newest = self._recognizer.is_behind
            with self._recognizer.aside():
                self._turns.advance()
            if self._turn_updates and (turn := self._turns.now) is not None:
                turn = replace(turn, latency_ms=event.latency_ms, at=event.at)
                yield from self._numbered(turn)

    def _event(self, posterior: Posterior) -> EmotionEvent | NoSpeechEvent:
        started = self._clock()
        self._sums.add(posterior)
        smoothed = believed = self._smoother.update(posterior)
        if believed is not None and self._temperatures:
            speech_s = posterior.speech * (posterior.end_s - posterior.start_s)
            smoothed = tempered(believed, speech_s, self._temperatures)
        if posterior.is_new_speaker:
            self._hysteresis.release()
        held = self._hysteresis.update(believed, posterior.end_s, smoothed)
        now = self._clock()
        age_s = now - posterior.captured_at
        window: dict[str, Any] = {
            "seq": self._next_seq(),
            "start": posterior.start_s,
            "end": posterior.end_s,
            "speech": round(posterior.speech, 6),
            "partial": posterior.is_partial,
            "latency_ms": latency_ms(age_s, {**posterior.spent_s, "smoothing": now - started}),
            "source": self._name,
            "at": wall_time(age_s) if self._is_live else None,
        }
        if smoothed is None:
            return NoSpeechEvent(**window)
        return EmotionEvent(
            emotion=UNSURE if held is None else self._labels[held],
            confidence=float(smoothed.max() if held is None else smoothed[held]),
            probabilities=dict(zip(self._labels, smoothed.tolist(), strict=True)),
            **window,
            **({} if posterior.row is None else self._extras.fields(posterior.row)),
        )

    def _ended_turns(self) -> Iterator[Event]:
        if self._turns is None:
            return
        self._turns.newest = self._recognizer.is_behind
        ended = self._turns.ended()
        while True:
            started = self._clock()
            with self._recognizer.aside():
                turn, known_at = next(ended, (None, 0))
            if turn is None:
                return
            now = self._clock()
            spent_s = {"inference": now - started}
            age_s = now - self._captured_at(known_at)
            at = wall_time(age_s) if self._is_live else None
            timed = replace(turn, latency_ms=latency_ms(age_s, spent_s), at=at)
            yield from self._numbered(timed)

    def _captured_at(self, sample: int) -> float:
        """Return when a sample of the newest chunk, or one before it, was captured."""
        if (chunk := self._chunk) is None:
            return self._clock()
        behind = chunk.start + len(chunk.samples) - sample if chunk.is_live else 0
        return chunk.captured_at - behind / self._rate

    def _numbered(self, event: Event | None) -> Iterator[Event]:
        if event is not None:
            yield replace(event, seq=self._next_seq())

    def _warning(self, warning: SourceWarning, at_s: float) -> WarningEvent:
        return WarningEvent(
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
    settings: StreamSettings = DEFAULTS,
    *,
    clock: Callable[[], float] = time.monotonic,
) -> Engine:
    """Return the engine of one stream over a shared classifier.

    ``clock`` is the one that chunks are captured by.

    Raises:
        ConfigError: A setting does not fit the model.
    """
    if why := settings.misfit(classifier):
        logger.info("whole windows: %s", why)
    turns = make_turns(classifier, settings) if settings.turns else None
    recognizer = make_recognizer(classifier, settings, turns=turns, clock=clock)
    smoother = Smoother(settings.naming_for(classifier), classifier.labels)
    return Engine(classifier, recognizer, smoother, settings=settings, turns=turns, clock=clock)
