"""`TurnEvent`, the answer of a whole turn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from ser_rt.runtime.event.base import BaseEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnEvent(BaseEvent):
    """What somebody said until they stopped speaking, or as far as they have come.

    ``start`` and ``end`` are those of the speech, not of the pauses around it; ``probabilities``,
    ``emotion`` and ``confidence`` are of the whole turn.

    Attributes:
        id: Number of the turn, from 1, in its stream and channel.
        emotion: English name of the likeliest emotion, or ``unsure``.
        confidence: Probability of that emotion, in [0, 1].
        speech: Seconds of speech in it, without pauses.
        loudness: Root mean square of the frames with speech, in dB below a full-scale square wave.
        onset: Where the emotion first led, in seconds of audio.
        peak: Where it was strongest, in seconds of audio.
        peak_confidence: Its probability there.
        cut: Whether the longest turn was reached, or a server shut down, and the speech goes on in
            another turn.
        speaker_change: Whether it ended because another person began to speak.
        final: False for the answer so far of a turn that has not ended.
    """

    type: Literal["turn"] = "turn"
    id: int = 0
    emotion: str
    confidence: float
    speech: float = 0.0
    loudness: float = 0.0
    onset: float = 0.0
    peak: float = 0.0
    peak_confidence: float = 0.0
    cut: bool = False
    speaker_change: bool = False
    final: bool = True

    def head(self) -> dict[str, Any]:
        """Return the fields that name the event, with the number of the turn."""
        return BaseEvent.head(self) | {"id": self.id}

    def content(self, *, timing: bool, top_k: int | None) -> dict[str, Any]:
        """Return its emotion, what is known of the turn, and its latency."""
        turn = {
            "speech": self.speech,
            "loudness": self.loudness,
            "onset": self.onset,
            "peak": self.peak,
            "peak_confidence": round(self.peak_confidence, 6),
            "cut": self.cut,
            **({"speaker_change": True} if self.speaker_change else {}),
            "final": self.final,
        }
        return self.answer(top_k) | turn | self.latency(timing=timing)
