"""`classify_stream`: what the network answers on a stream; `replay`: what the engine makes of it.

Both go through the engine of every stream. The network's answers are kept, so that smoothing and
naming can be tried again without it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from ser_rt.audio.chunk import AudioChunk, ChunkMaker
from ser_rt.classifier import EmotionClassifier, FloatArray
from ser_rt.judging.draws import Draws
from ser_rt.runtime.engine import Engine
from ser_rt.runtime.event import Event
from ser_rt.runtime.recognizers.making import make_recognizer
from ser_rt.runtime.recognizers.recognizer import Posterior, Recognizer
from ser_rt.runtime.settings import StreamSettings
from ser_rt.runtime.smoother import Smoother

_BLOCK_S = 0.02
_ODD_SAMPLES = (1, 7, 160, 1_021, 4_801, 24_001)


@dataclass(frozen=True)
class StreamPosteriors:
    """The network's answers on one stream, in order, and what they were asked with."""

    posteriors: tuple[Posterior, ...]
    settings: StreamSettings


class _Recording(Recognizer):
    """A recognizer that keeps what another returns."""

    def __init__(self, recognizer: Recognizer) -> None:
        self._recognizer = recognizer
        self.posteriors: list[Posterior] = []

    @property
    def speech_now(self) -> float:
        return self._recognizer.speech_now

    @property
    def skipped_windows(self) -> int:
        return self._recognizer.skipped_windows

    def feed(self, chunk: AudioChunk) -> Iterator[Posterior]:
        for posterior in self._recognizer.feed(chunk):
            self.posteriors.append(posterior)
            yield posterior

    def flush(self) -> list[Posterior]:
        found = self._recognizer.flush()
        self.posteriors += found
        return found


class _Replay(Recognizer):
    """A recognizer that returns what was kept, at its end."""

    speech_now, skipped_windows = 0.0, 0

    def __init__(self, posteriors: Iterable[Posterior]) -> None:
        self._posteriors = list(posteriors)

    def feed(self, chunk: AudioChunk) -> Iterator[Posterior]:  # noqa: ARG002 (none comes)
        return iter(())

    def flush(self) -> list[Posterior]:
        found, self._posteriors = self._posteriors, []
        return found


def classify_stream(
    classifier: EmotionClassifier, samples: FloatArray, settings: StreamSettings
) -> tuple[StreamPosteriors, list[Event]]:
    """Run a stream as it would come from a microphone, in blocks of 20 ms.

    The latency of an event is what computing it took, from its last sample on.
    """
    recorder = _Recording(make_recognizer(classifier, settings))
    engine = _engine(classifier, recorder, settings)
    blocks = _blocks(samples, round(_BLOCK_S * classifier.sample_rate))
    events = list(engine.run(_chunks(blocks, classifier.sample_rate)))
    return StreamPosteriors(tuple(recorder.posteriors), settings), events


def replay(
    classifier: EmotionClassifier,
    kept: StreamPosteriors,
    settings: StreamSettings,
    temperatures: Mapping[float, float] | None = None,
) -> list[Event]:
    """Return the events that kept answers give with another smoothing and naming.

    ``temperatures`` are those by the seconds of speech; None for the model's.
    """
    engine = _engine(classifier, _Replay(kept.posteriors), settings, temperatures)
    return list(engine.flush())


def is_same_in_odd_chunks(
    classifier: EmotionClassifier,
    samples: FloatArray,
    settings: StreamSettings,
    events: Iterable[Event],
) -> bool:
    """Return whether a stream that comes in chunks of odd lengths has the very same events."""
    draws = Draws("chunks", len(samples))

    def pieces() -> Iterator[FloatArray]:
        at = 0
        while at < len(samples):
            count = draws.one(_ODD_SAMPLES)
            yield samples[at : at + count]
            at += count

    recognizer = make_recognizer(classifier, settings)
    engine = _engine(classifier, recognizer, settings)
    again = engine.run(_chunks(pieces(), classifier.sample_rate))
    return [_timeless(event) for event in again] == [_timeless(event) for event in events]


def _engine(
    classifier: EmotionClassifier,
    recognizer: Recognizer,
    settings: StreamSettings,
    temperatures: Mapping[float, float] | None = None,
) -> Engine:
    smoother = Smoother(settings.naming_for(classifier), classifier.labels)
    return Engine(classifier, recognizer, smoother, settings=settings, temperatures=temperatures)


def _blocks(samples: FloatArray, count: int) -> Iterator[FloatArray]:
    for start in range(0, len(samples), count):
        yield samples[start : start + count]


def _chunks(blocks: Iterable[FloatArray], sample_rate: int) -> Iterator[AudioChunk]:
    maker = ChunkMaker(sample_rate, sample_rate)
    for block in blocks:
        yield maker.feed(block)
    yield maker.flush()


def _timeless(event: Event) -> Event:
    return replace(event, latency_ms={})
