"""`TurnTracker`, which makes one answer of the windows of a turn."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from ser_rt.classifier import EmotionClassifier, FloatArray
from ser_rt.runtime.event import UNSURE, TurnEvent
from ser_rt.runtime.recognizers.extras import Extras
from ser_rt.runtime.settings import StreamSettings
from ser_rt.runtime.speakers.changes import REACH
from ser_rt.runtime.turns.segmenter import SHORTEST_SPEECH_S, Span, TurnSegmenter
from ser_rt.runtime.turns.windows import Classified, TurnWindows, windows_of_turns
from ser_rt.runtime.vad.settings import VadSettings

_SMALLEST = 1e-12


class Evidence(NamedTuple):
    """What one window says of a turn."""

    start: int
    """Its first sample."""
    end: int
    speech: int
    """Samples of the turn's speech in it."""
    probabilities: FloatArray
    row: FloatArray
    """The whole row of the classifier."""


class _Turn:
    """A span, its own windows, and what is known of it."""

    def __init__(self, span: Span, windows: TurnWindows, labels: int) -> None:
        self.span, self._windows, self._labels = span, windows, labels
        self.evidence: list[Evidence] = []

    def advance(self, *, newest: bool) -> None:
        """Classify what has been said so far."""
        self._take(self._windows.feed(newest=newest))

    def finish(self, *, newest: bool) -> None:
        """Classify the rest."""
        self._take(self._windows.flush(newest=newest))

    def _take(self, classified: Iterable[Classified]) -> None:
        for window, row in classified:
            if np.isfinite(row).all():
                start, end = window.start, window.end
                speech = self.span.speech_within(start, end)
                self.evidence.append(Evidence(start, end, speech, row[: self._labels], row))


class TurnTracker:
    """Follows the turns of one stream, as a segmenter finds them.

    Attributes:
        segmenter: Is told of the stream's speech.
        newest: Whether only the newest window of what has been said since is classified: set where
            the model is too slow for live audio.
    """

    def __init__(
        self,
        segmenter: TurnSegmenter,
        windows_of: Callable[[Span], TurnWindows],
        labels: Sequence[str],
        sample_rate: int,
        *,
        temperature: float = 1.0,
        unsure: float = 0.0,
        name: str | None = None,
        extras: Extras | None = None,
    ) -> None:
        """Begin a stream.

        Args:
            segmenter: Is told of the stream's speech.
            windows_of: Makes the own windows of a turn.
            labels: Of the model.
            sample_rate: Of the stream, in Hz.
            temperature: Divisor of the logits of a turn.
            unsure: Probability below which no emotion is named.
            name: The ``source`` of each event.
            extras: What the rows of the model hold besides.
        """
        self.segmenter, self._windows_of = segmenter, windows_of
        self.newest = False
        self._labels, self._rate = labels, sample_rate
        self._temperature, self._unsure, self._name = temperature, unsure, name
        self._extras = extras
        self._turn: _Turn | None = None
        self._count = 0

    @property
    def now(self) -> TurnEvent | None:
        """The answer so far of the turn that has not ended; None where nobody speaks."""
        if self.segmenter.now is None or (turn := self._follow()) is None:
            return None
        turn.advance(newest=self.newest)
        return self._event(turn, final=False) if turn.evidence else None

    def advance(self) -> None:
        """Classify what has been said so far, so that little is left to do when a turn ends."""
        if (turn := self._follow()) is not None:
            turn.advance(newest=self.newest)

    def end(self) -> None:
        """End the turn here: the audio does, or all of its results are due."""
        self.segmenter.restart()

    def ended(self) -> Iterator[tuple[TurnEvent, int]]:
        """Yield, once, the turns that have ended, and the sample at which that was known."""
        for span in self.segmenter.ended():
            turn = self._turn
            if turn is None or turn.span is not span:
                turn = self._begun(span)
            turn.finish(newest=self.newest)
            self._count += 1
            yield self._event(turn, final=True), span.known_at

    def _follow(self) -> _Turn | None:
        """Return the turn that has not ended."""
        span = self.segmenter.open
        if span is None:
            self._turn = None
        elif self._turn is None or self._turn.span is not span:
            self._turn = self._begun(span)
        return self._turn

    def _begun(self, span: Span) -> _Turn:
        return _Turn(span, self._windows_of(span), len(self._labels))

    def _event(self, turn: _Turn, *, final: bool) -> TurnEvent:
        span, evidence = turn.span, turn.evidence
        pooled = _pooled(evidence, len(self._labels), self._temperature)
        winner = int(pooled.argmax())
        confidence = float(pooled[winner])
        onset, peak, strongest = _course(evidence, winner, span)
        return TurnEvent(
            seq=0,
            id=self._count + (not final),
            start=span.start / self._rate,
            end=span.end / self._rate,
            emotion=UNSURE if confidence < self._unsure else self._labels[winner],
            confidence=confidence,
            probabilities=dict(zip(self._labels, pooled.tolist(), strict=True)),
            speech=span.speech / self._rate,
            loudness=round(10 * math.log10(max(span.power / span.speech, _SMALLEST)), 2),
            onset=onset / self._rate,
            peak=peak / self._rate,
            peak_confidence=strongest,
            cut=span.is_cut,
            speaker_change=span.is_followed,
            final=final,
            source=self._name,
            **self._more(evidence),
        )

    def _more(self, evidence: Sequence[Evidence]) -> dict[str, Any]:
        """Return the means of dimensions and embedding, weighed as the probabilities are."""
        if self._extras is None:
            return {}
        return self._extras.mean([one.row for one in evidence], _weights(evidence))


def make_turns(classifier: EmotionClassifier, settings: StreamSettings) -> TurnTracker:
    """Return the tracker of one stream."""
    vad = settings.vad if isinstance(settings.vad, VadSettings) else VadSettings()
    rate = classifier.sample_rate
    segmenter = TurnSegmenter(
        threshold=vad.threshold,
        ends_below=vad.ends_below,
        pause=round(settings.turn_pause_s * rate),
        longest=round(settings.longest_turn_s * rate),
        shortest=round(SHORTEST_SPEECH_S * rate),
        reach=REACH if settings.speaker_change else 0,
    )
    return TurnTracker(
        segmenter,
        windows_of_turns(classifier, settings),
        classifier.labels,
        rate,
        temperature=getattr(classifier, "turn_temperature", None) or 1.0,
        unsure=settings.naming_for(classifier).unsure,
        name=settings.name,
        extras=Extras(classifier),
    )


def _pooled(evidence: Sequence[Evidence], labels: int, temperature: float) -> FloatArray:
    """Return the probabilities of a turn: the mean of the logits, weighed by the speech squared.

    A short window knows less than its share of the speech: docs/turns.md compares weights.
    """
    if not evidence:
        return np.full(labels, 1 / labels, np.float32)
    logits = np.log(np.maximum([one.probabilities for one in evidence], _SMALLEST))
    mean = np.average(logits, axis=0, weights=_weights(evidence))
    powers = np.exp((mean - mean.max()) / temperature)
    pooled: FloatArray = (powers / powers.sum()).astype(np.float32)
    return pooled


def _weights(evidence: Sequence[Evidence]) -> list[float]:
    return [float(max(1, one.speech)) ** 2 for one in evidence]


def _course(evidence: Sequence[Evidence], winner: int, span: Span) -> tuple[int, int, float]:
    """Return the sample where an emotion first led, the one where it was strongest, how strong.

    A window is about what it adds to the one before it.
    """
    if not evidence:
        return span.start, span.end, 0.0
    strongest = max(evidence, key=lambda one: one.probabilities[winner])
    before = None
    onset = strongest.start
    for one in evidence:
        if one.probabilities.argmax() == winner:
            onset = one.start if before is None else before.end
            break
        before = one
    return (
        min(max(onset, span.start), span.end),
        min(max(strongest.end, span.start), span.end),
        float(strongest.probabilities[winner]),
    )
