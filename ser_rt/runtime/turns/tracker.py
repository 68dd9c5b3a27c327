"""`TurnTracker`, which makes one answer of the results inside a turn."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from ser_rt.classifier import EmotionClassifier, FloatArray
from ser_rt.runtime.event import UNSURE
from ser_rt.runtime.recognizers.windowed import Posterior
from ser_rt.runtime.settings import StreamSettings, VadSettings
from ser_rt.runtime.turns.event import TurnEvent
from ser_rt.runtime.turns.segmenter import SHORTEST_SPEECH_S, Span, TurnSegmenter

_SMALLEST = 1e-12


class Evidence(NamedTuple):
    """What one result says of a turn."""

    start_s: float
    """End of the result before it, or start of its window."""
    end_s: float
    speech: int
    """Samples of the turn's speech in its window."""
    probabilities: FloatArray


class TurnTracker:
    """Follows the results of one stream, beside the segmenter that follows its speech."""

    def __init__(
        self,
        segmenter: TurnSegmenter,
        labels: Sequence[str],
        sample_rate: int,
        *,
        unsure: float = 0.0,
        name: str | None = None,
    ) -> None:
        """Begin a stream; ``unsure`` is the probability below which no emotion is named."""
        self.segmenter, self._labels, self._rate = segmenter, labels, sample_rate
        self._unsure, self._name = unsure, name
        self._evidence: dict[int, list[Evidence]] = {}
        self._count, self._last_end_s = 0, -1.0

    @property
    def now(self) -> TurnEvent | None:
        """The answer so far of the turn that has not ended; None where nobody speaks."""
        span = self.segmenter.now
        return None if span is None else self._event(span, final=False)

    def add(self, posterior: Posterior) -> None:
        """Take a result; speech has been detected up to the end of its window."""
        last_s, self._last_end_s = self._last_end_s, posterior.end_s
        span = self.segmenter.open
        if span is None or posterior.probabilities is None:
            return
        is_joined = posterior.start_s <= last_s < posterior.end_s
        window = round(posterior.start_s * self._rate), round(posterior.end_s * self._rate)
        found = Evidence(
            last_s if is_joined else posterior.start_s,
            posterior.end_s,
            span.speech_within(*window),
            posterior.probabilities,
        )
        self._evidence.setdefault(span.start, []).append(found)

    def ended(self) -> Iterator[TurnEvent]:
        """Yield, once, the turns that have ended."""
        for span in self.segmenter.ended():
            event = self._event(span, final=True)
            self._count += 1
            yield event
        self._evidence = {
            start: found
            for start, found in self._evidence.items()
            if self.segmenter.open is not None and start == self.segmenter.open.start
        }

    def end(self) -> None:
        """End the turn here: the audio does, or all of its results are due."""
        self.segmenter.restart()

    def _event(self, span: Span, *, final: bool) -> TurnEvent:
        evidence = self._evidence.get(span.start, [])
        pooled = _pooled(evidence, len(self._labels))
        winner = int(pooled.argmax())
        confidence = float(pooled[winner])
        start_s, end_s = span.start / self._rate, span.end / self._rate
        onset_s, peak_s, strongest = _course(evidence, winner, start_s, end_s)
        return TurnEvent(
            seq=0,
            id=self._count + 1,
            start=start_s,
            end=end_s,
            emotion=UNSURE if confidence < self._unsure else self._labels[winner],
            confidence=confidence,
            probabilities=dict(zip(self._labels, pooled.tolist(), strict=True)),
            speech=span.speech / self._rate,
            loudness=round(10 * math.log10(max(span.power / span.speech, _SMALLEST)), 2),
            onset=onset_s,
            peak=peak_s,
            peak_confidence=strongest,
            cut=span.is_cut,
            final=final,
            source=self._name,
        )


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
    )
    unsure = settings.naming_for(classifier).unsure
    return TurnTracker(segmenter, classifier.labels, rate, unsure=unsure, name=settings.name)


def _pooled(evidence: Sequence[Evidence], labels: int) -> FloatArray:
    """Return the probabilities of a turn: the mean of the logits, weighed by the speech heard."""
    if not evidence:
        return np.full(labels, 1 / labels, np.float32)
    logits = np.log(np.maximum([one.probabilities for one in evidence], _SMALLEST))
    mean = np.average(logits, axis=0, weights=[max(1, one.speech) for one in evidence])
    powers = np.exp(mean - mean.max())
    pooled: FloatArray = (powers / powers.sum()).astype(np.float32)
    return pooled


def _course(
    evidence: Sequence[Evidence], winner: int, start_s: float, end_s: float
) -> tuple[float, float, float]:
    """Return when an emotion first led in a turn, when it was strongest, and how strong."""
    if not evidence:
        return start_s, end_s, 0.0
    strongest = max(evidence, key=lambda one: one.probabilities[winner])
    leading = (one for one in evidence if one.probabilities.argmax() == winner)
    onset = next(leading, strongest)
    return (
        min(max(onset.start_s, start_s), end_s),
        min(max(strongest.end_s, start_s), end_s),
        float(strongest.probabilities[winner]),
    )
