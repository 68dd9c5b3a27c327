"""`StreamAnalysis`: the stream of one participant in an analyser's thread; it outlives errors."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from ser_rt.agents.backlog import PushedAudio
from ser_rt.audio.block import Block
from ser_rt.audio.converter import BlockConverter
from ser_rt.classifier import EmotionClassifier
from ser_rt.runtime.engine import Engine, make_engine
from ser_rt.runtime.event import Event, TurnEvent, WarningEvent
from ser_rt.runtime.settings import StreamSettings

logger = logging.getLogger("ser_rt.agents")

MOST_FAILURES = 3
"""After so many errors without a result between, a participant is analysed no more."""


class StreamAnalysis:
    """Audio in, events out. What fails is dropped with a warning, and a fresh stream begins."""

    def __init__(
        self,
        classifier: Callable[[], EmotionClassifier],
        settings: StreamSettings,
        clock: Callable[[], float],
    ) -> None:
        """Begin a stream; ``classifier`` returns the model, and may have to load it."""
        self._classifier, self._settings, self._clock = classifier, settings, clock
        self._engine: Engine | None = None
        self._converter: BlockConverter | None = None
        self._seq = self._turns = self._turns_before = self._failures = 0
        self._told: set[str] = set()
        self._end_s = 0.0

    @property
    def is_over(self) -> bool:
        """Whether it has failed for good."""
        return self._failures >= MOST_FAILURES

    def feed(self, audio: PushedAudio) -> list[Event]:
        """Return the events that some audio completes."""
        return [] if self.is_over else self._guarded(lambda: self._fed(audio))

    def flush(self) -> list[Event]:
        """Return the remaining events."""
        return [] if self._engine is None else self._guarded(self._flushed)

    def turn(self) -> TurnEvent | None:
        """Return the answer so far of the turn that has not ended; None where nobody speaks."""
        found: list[Event] = []
        if self._engine is not None:
            engine = self._engine
            found = self._guarded(lambda: iter([engine.turn] if engine.turn else []), number=False)
        return next((event for event in found if isinstance(event, TurnEvent)), None)

    def warn(self, code: str, message: str) -> list[Event]:
        """Return a warning, once for each code; the log has it too."""
        event = WarningEvent(
            seq=0,
            start=self._end_s,
            end=self._end_s,
            code=code,
            message=message,
            source=self._settings.name,
        )
        return [] if self._is_old(event) else [self._numbered(event)]

    def _fed(self, audio: PushedAudio) -> Iterator[Event]:
        if self._engine is None or self._converter is None:
            classifier = self._classifier()
            self._converter = BlockConverter(
                classifier.sample_rate,
                channel=self._settings.channel,
                is_live=True,
                clock=self._clock,
            )
            self._engine = make_engine(classifier, self._settings, clock=self._clock)
        samples = np.frombuffer(audio.data, np.int16).reshape(-1, audio.channels)
        block = Block(samples, audio.sample_rate, audio.start_s)
        waited_s = max(0.0, self._clock() - audio.captured_at)
        for chunk in self._converter.feed(block, audio.captured_at, waited_s):
            yield from self._engine.feed(chunk)
        self._end_s = audio.start_s + audio.seconds

    def _flushed(self) -> Iterator[Event]:
        if self._engine is None or self._converter is None:
            return
        for chunk in self._converter.flush():
            yield from self._engine.feed(chunk)
        yield from self._engine.flush()

    def _guarded(self, work: Callable[[], Iterator[Event]], *, number: bool = True) -> list[Event]:
        """Return the events of some work; if it fails, those before, and a warning."""
        events: list[Event] = []
        try:
            for event in work():
                if not self._is_old(event):
                    events.append(self._numbered(event) if number else self._of_all(event))
                if event.confidence is not None:
                    self._failures = 0
        except Exception as error:  # whatever a model raises, the call goes on
            self._failures += 1
            self._engine = self._converter = None
            self._turns_before = self._turns
            what = f"the analysis failed: {error}"
            events += self.warn("failed", what)
            logger.debug("%s", what, exc_info=error)
        return events

    def _is_old(self, event: Event) -> bool:
        """Return whether it is a warning of a kind that was told before; log a new one."""
        if event.type != "warning" or event.code is None:
            return False
        is_old = event.code in self._told
        if not is_old:
            self._told.add(event.code)
            who = f"{event.source}: " if event.source else ""
            logger.warning("%s%s (%s; told once)", who, event.message, event.code)
        return is_old

    def _numbered(self, event: Event) -> Event:
        """Return an event with its number among all of the participant, over failures."""
        event = replace(self._of_all(event), seq=self._seq)
        self._seq += 1
        if isinstance(event, TurnEvent) and event.final:
            self._turns = event.id
        return event

    def _of_all(self, event: Event) -> Event:
        if isinstance(event, TurnEvent):
            return replace(event, id=event.id + self._turns_before)
        return event
