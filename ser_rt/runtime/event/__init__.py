"""`Event`, any result of a stream: one class for each type, told apart by `type`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from ser_rt.runtime.event.base import UNSURE, BaseEvent, EventType, korean_name
from ser_rt.runtime.event.turn import TurnEvent

__all__ = [
    "UNSURE",
    "EmotionEvent",
    "EpisodeEvent",
    "Event",
    "EventType",
    "NoSpeechEvent",
    "TurnEvent",
    "WarningEvent",
    "korean_name",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class EmotionEvent(BaseEvent):
    """The emotion at the end of a window.

    Attributes:
        emotion: English name of the likeliest emotion, smoothed over time, or ``unsure``.
        confidence: Probability of that emotion, in [0, 1].
        speech: Probability of speech, in [0, 1], as the mean over the window.
        partial: Whether the window was shorter than a full one.
    """

    type: Literal["emotion"] = "emotion"
    emotion: str
    confidence: float
    speech: float = 1.0
    partial: bool = False

    def content(self, *, timing: bool, top_k: int | None) -> dict[str, Any]:
        """Return its emotion, speech and latency."""
        heard = {"speech": self.speech, "partial": self.partial}
        return self.answer(top_k) | heard | self.latency(timing=timing)


@dataclass(frozen=True, slots=True, kw_only=True)
class NoSpeechEvent(BaseEvent):
    """A window that was not worth classifying.

    Attributes:
        speech: Probability of speech, in [0, 1], as the mean over the window.
        partial: Whether the window was shorter than a full one.
    """

    type: Literal["no_speech"] = "no_speech"
    emotion: None = None
    confidence: None = None
    speech: float = 0.0
    partial: bool = False

    def content(self, *, timing: bool, top_k: int | None) -> dict[str, Any]:
        """Return its speech and latency."""
        del top_k
        return {"speech": self.speech, "partial": self.partial} | self.latency(timing=timing)


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodeEvent(BaseEvent):
    """A stretch of one emotion that has ended.

    Attributes:
        emotion: English name of the emotion, or ``unsure``.
        confidence: Its highest probability, in [0, 1].
        peak: Where that was, in seconds of audio.
    """

    type: Literal["episode"] = "episode"
    emotion: str
    confidence: float
    peak: float

    def content(self, *, timing: bool, top_k: int | None) -> dict[str, Any]:
        """Return its emotion and where that was clearest."""
        del timing, top_k
        answer = {"emotion": self.emotion, "confidence": round(self.confidence, 6)}
        return answer | {"peak": self.peak}


@dataclass(frozen=True, slots=True, kw_only=True)
class WarningEvent(BaseEvent):
    """Something that was wrong with the audio, or with its processing.

    Attributes:
        code: Kind of the warning, such as ``overflow``.
        message: Text of it, for people.
    """

    type: Literal["warning"] = "warning"
    code: str
    message: str

    def content(self, *, timing: bool, top_k: int | None) -> dict[str, Any]:
        """Return its code and text."""
        del timing, top_k
        return {"code": self.code, "message": self.message}


Event = EmotionEvent | NoSpeechEvent | EpisodeEvent | TurnEvent | WarningEvent
