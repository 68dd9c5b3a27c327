"""`SpeakerEmotion`: how a speaker sounds, for the framework and the language model."""

from __future__ import annotations

from typing import Any, Self

from pydantic import BaseModel, ConfigDict

from ser_rt import TurnEvent
from ser_rt.agents import instructions


class SpeakerEmotion(BaseModel):
    """The answer of a turn, or of what has been said of it: a `SpeakerContext` of the framework.

    Attributes:
        turn: Number of the turn, from 1, of its participant.
        participant: Identity of the speaker, where it was told.
        emotion: Name of the emotion, or ``unsure``.
        confidence: Its probability.
        probabilities: Of every emotion.
        start: Where the speech begins, in seconds, by the clock of ``SpeechData.start_time``.
        end: Where it ends.
        final: Whether the turn has ended.
    """

    model_config = ConfigDict(frozen=True)

    turn: int
    participant: str | None
    emotion: str
    confidence: float
    probabilities: dict[str, float]
    start: float
    end: float
    final: bool

    @classmethod
    def of(cls, event: TurnEvent, from_s: float) -> Self:
        """Return it for an event of a stream that began at ``from_s``."""
        return cls(
            turn=event.id,
            participant=event.source,
            emotion=event.emotion,
            confidence=event.confidence,
            probabilities=dict(event.probabilities),
            start=from_s + event.start,
            end=from_s + event.end,
            final=event.final,
        )

    def to_instructions(self) -> str:
        """Return what the language model is told; nothing where no emotion was named."""
        return instructions(self.emotion, self.confidence)

    def metadata(self) -> dict[str, Any]:
        """Return the fields, for the metadata of a transcript."""
        return self.model_dump()
