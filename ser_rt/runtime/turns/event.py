"""`TurnEvent`, the answer of a whole turn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from ser_rt.runtime.event import EmotionEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnEvent(EmotionEvent):
    """What somebody said until they stopped speaking, or as far as they have come.

    ``start`` and ``end`` are those of the speech, not of the pauses around it; ``probabilities``,
    ``emotion`` and ``confidence`` are of the whole turn.

    Attributes:
        id: Number of the turn, from 1, in its stream and channel.
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
    speech: float = 0.0
    loudness: float = 0.0
    onset: float = 0.0
    peak: float = 0.0
    peak_confidence: float = 0.0
    cut: bool = False
    speaker_change: bool = False
    final: bool = True

    def to_dict(self, *, timing: bool = True, top_k: int | None = None) -> dict[str, Any]:
        """Return the fields; arguments as of `EmotionEvent.to_dict`."""
        event = self.head() | {"id": self.id, "start": self.start, "end": self.end}
        if timing and self.at is not None:
            event["at"] = self.at
        event |= self.answer(top_k)
        event |= {
            "speech": self.speech,
            "loudness": self.loudness,
            "onset": self.onset,
            "peak": self.peak,
            "peak_confidence": round(self.peak_confidence, 6),
            "cut": self.cut,
            **({"speaker_change": True} if self.speaker_change else {}),
            "final": self.final,
        }
        event |= self.extras()
        if timing:
            event["latency_ms"] = dict(self.latency_ms)
        return event
