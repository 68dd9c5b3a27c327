"""What a user gets."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ser_rt.config import EMOTIONS

EventType = Literal["emotion", "no_speech", "warning"]


@dataclass(frozen=True, slots=True)
class EmotionEvent:
    """One thing heard, or one thing to know about the listening.

    Attributes:
        type: ``emotion``; ``no_speech`` for a window not worth classifying; or ``warning``.
        seq: Number of the event in its stream, from 0.
        start: Where the window starts, in seconds of audio.
        end: Where the window ends, in seconds of audio.
        emotion: English name of the likeliest emotion, smoothed over time.
        confidence: Probability of that emotion, in [0, 1].
        probabilities: Probability of every emotion by English name; they sum to 1.
        speech: Share of speech in the window, in [0, 1].
        partial: Whether the window was shorter than a full one.
        latency_ms: ``total``, from the last sample's capture to this event, and its parts.
        code: What a warning is about, such as ``overflow``.
        message: What a warning says.
        source: What was listened to, where there is more than one.
    """

    type: EventType
    seq: int
    start: float
    end: float
    emotion: str | None = None
    confidence: float | None = None
    probabilities: Mapping[str, float] = field(default_factory=dict)
    speech: float | None = None
    partial: bool | None = None
    latency_ms: Mapping[str, float] = field(default_factory=dict)
    code: str | None = None
    message: str | None = None
    source: str | None = None

    @property
    def korean(self) -> str | None:
        """Korean name of the emotion, or the English one if it has none."""
        return None if self.emotion is None else EMOTIONS.get(self.emotion, self.emotion)

    def to_dict(self, *, timing: bool = True) -> dict[str, Any]:
        """Return what applies to this type of event; without ``timing``, what never varies."""
        event: dict[str, Any] = {"type": self.type, "seq": self.seq}
        if self.source is not None:
            event["source"] = self.source
        event |= {"start": self.start, "end": self.end}
        if self.type == "warning":
            return event | {"code": self.code, "message": self.message}
        if self.confidence is not None:
            event["emotion"] = self.emotion
            event["confidence"] = round(self.confidence, 6)
            event["probabilities"] = {k: round(p, 6) for k, p in self.probabilities.items()}
        event |= {"speech": self.speech, "partial": self.partial}
        if timing:
            event["latency_ms"] = dict(self.latency_ms)
        return event

    def to_json(self, *, timing: bool = True) -> str:
        """Return one line of JSON."""
        return json.dumps(self.to_dict(timing=timing), ensure_ascii=False)


def latency_ms(total_s: float, spent_s: Mapping[str, float]) -> dict[str, float]:
    """Return a latency and its parts in ms; ``other`` is what the parts do not explain.

    The parts add up to the total: it is their sum. ``other`` includes waiting for windows of the
    same chunk that came first.
    """
    parts = {name: round(1e3 * spent, 3) for name, spent in spent_s.items() if spent > 0}
    parts["other"] = max(0.0, round(1e3 * total_s - sum(parts.values()), 3))
    return {"total": round(sum(parts.values()), 3), **parts}
