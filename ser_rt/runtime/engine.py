"""`Engine`, the state of one stream: one straight line from audio to emotion events.

source -> AudioChunk -> recognizer.feed -> Posterior -> smoother -> EmotionEvent
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Protocol

from ser_rt.audio.block import SourceWarning
from ser_rt.audio.chunk import AudioChunk
from ser_rt.classifier import EmotionClassifier
from ser_rt.errors import AudioError, ConfigError, DeviceError
from ser_rt.runtime.episodes import EpisodeTracker, Lag
from ser_rt.runtime.event import UNSURE, EmotionEvent, latency_ms, wall_time
from ser_rt.runtime.hysteresis import Hysteresis
from ser_rt.runtime.recognizers.windowed import Posterior, Recognizer, WindowedRecognizer
from ser_rt.runtime.settings import DEFAULTS, StreamSettings, VadSettings
from ser_rt.runtime.smoother import Smoother, tempered
from ser_rt.runtime.summary.overall import Classification, Overall
from ser_rt.runtime.vad.base import FrameVad, LevelDetector, Vad

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

    def run(self, source: Iterable[AudioChunk]) -> Iterator[EmotionEvent]:
        """Yield the events of a whole source."""
        ...

    def flush(self) -> Iterator[EmotionEvent]:
        """Yield the remaining events, after an interrupt."""
        ...


class ChunkEngine(StreamEngine, Protocol):
    """Base of engines that are fed chunk by chunk: `Engine`, and one for several channels."""

    @property
    def sums(self) -> Overall:
        """The sums behind `overall`."""
        ...

    @property
    def overall(self) -> Classification:
        """The emotion of all audio so far."""
        return self.sums.result(self.processed_s)

    def feed(self, chunk: AudioChunk) -> Iterator[EmotionEvent]:
        """Yield the events that a chunk completes."""
        ...

    def run(self, source: Iterable[AudioChunk]) -> Iterator[EmotionEvent]:
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
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Join a recognizer and a smoother, both made for this stream; `make_engine` does.

        ``temperatures`` are those by the speech heard; None for the model's.
        """
        self._recognizer, self._smoother = recognizer, smoother
        self._labels, self._rate = classifier.labels, classifier.sample_rate
        own = getattr(classifier, "temperature_by_speech", {})
        self._temperatures = own if temperatures is None else temperatures
        self._naming = settings.naming_for(classifier)
        self._wants_episodes = settings.episodes
        self._episodes: EpisodeTracker | None = None
        self._hysteresis = Hysteresis(self._naming)
        self._name, self._clock = settings.name, clock
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
    def sums(self) -> Overall:
        """The sums behind `overall`."""
        return self._sums

    def feed(self, chunk: AudioChunk) -> Iterator[EmotionEvent]:
        """Yield the events that a chunk completes."""
        self._samples += len(chunk.samples)
        self._is_live = chunk.is_live
        if self._wants_episodes and self._episodes is None:
            lag = Lag(self._naming.half_life_s, self._naming.gate_threshold)
            self._episodes = EpisodeTracker(None if chunk.is_live else lag)
        at_s = chunk.start / self._rate
        for warning in chunk.warnings:
            yield self._warning(warning, at_s)
        for posterior in self._recognizer.feed(chunk):
            yield from self._events(posterior)

    def flush(self) -> Iterator[EmotionEvent]:
        """Yield the event of the last samples, if no window has covered them.

        It needs no source, so it can follow an interrupt; a second call yields nothing.
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
        if self._temperatures:
            posterior = tempered(posterior, self._temperatures)
        self._sums.add(posterior)
        smoothed = self._smoother.update(posterior)
        held = self._hysteresis.update(smoothed, posterior.end_s)
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
            at=wall_time(now - posterior.captured_at) if self._is_live else None,
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
    recognizer = make_recognizer(classifier, settings, clock=clock)
    smoother = Smoother(settings.naming_for(classifier).half_life_s)
    return Engine(classifier, recognizer, smoother, settings=settings, clock=clock)


def make_recognizer(
    classifier: EmotionClassifier,
    settings: StreamSettings = DEFAULTS,
    *,
    clock: Callable[[], float] = time.monotonic,
) -> Recognizer:
    """Return the recognizer of one stream; arguments as of `make_engine`."""
    naming = settings.naming_for(classifier)
    vad = _make_vad(settings.vad, naming.gate_threshold, classifier.sample_rate)
    return WindowedRecognizer(classifier, settings, vad=vad, clock=clock)


def _make_vad(vad: bool | VadSettings | Vad, gate_threshold: float, sample_rate: int) -> Vad:  # noqa: FBT001 (a setting)
    if not isinstance(vad, bool | VadSettings):
        return vad
    if vad is False or gate_threshold == 0:
        return FrameVad(LevelDetector(sample_rate))
    from ser_rt.runtime.vad.silero import RATE_HZ, SileroDetector

    if sample_rate != RATE_HZ:
        msg = f"speech is detected at {RATE_HZ} Hz, the model takes {sample_rate} Hz: use vad=False"
        raise ConfigError(msg)
    return FrameVad(SileroDetector(VadSettings() if vad is True else vad))
