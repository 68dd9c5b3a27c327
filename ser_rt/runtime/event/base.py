"""`BaseEvent`, what all events of a stream have, and their JSON form."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ser_rt.constants import EMOTIONS

EventType = Literal["emotion", "no_speech", "episode", "turn", "warning"]

UNSURE = "unsure"
"""Named instead of an emotion where none is likely enough."""

_KOREAN = EMOTIONS | {UNSURE: "불확실"}


def korean_name(emotion: str) -> str:
    """Return the Korean name of an emotion, or the English one if it has none."""
    return _KOREAN.get(emotion, emotion)


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseEvent:
    """An event of a stream; its class follows from its type.

    Attributes that a kind of event does not have are None, or empty.

    Attributes:
        type: Kind of the event; a type checker narrows on it.
        seq: Number of the event in its stream, from 0.
        start: Where the window, the turn or the episode starts, in seconds of audio.
        end: Where it ends, in seconds of audio.
        emotion: English name of the likeliest emotion, or ``unsure``.
        confidence: Probability of that emotion, in [0, 1].
        probabilities: Probability of every emotion by English name; they sum to 1.
        speech: How much speech there is.
        partial: Whether the window was shorter than a full one.
        latency_ms: ``total``, from the last sample's capture to this event, and its parts.
        code: Kind of a warning, such as ``overflow``.
        message: Text of a warning.
        peak: Where an episode or a turn was clearest, in seconds of audio.
        source: Name of the input, where there is more than one.
        channel: Channel of it, from 1, where each is classified by itself.
        channel_name: What the channel was named.
        dimensions: What the model also rates, such as ``arousal``, by name, each from 0 to 1.
        embedding: What the network makes of it, where the model was loaded with embeddings.
        at: Of live audio, when the last sample was captured, as ISO 8601 with this machine's zone.
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
    peak: float | None = None
    source: str | None = None
    channel: int | None = None
    channel_name: str | None = None
    dimensions: Mapping[str, float] = field(default_factory=dict)
    embedding: tuple[float, ...] | None = None
    at: str | None = None

    @property
    def korean(self) -> str | None:
        """Korean name of the emotion, or the English one if it has none."""
        return None if self.emotion is None else korean_name(self.emotion)

    def ranked(self, count: int | None = None) -> list[tuple[str, float]]:
        """Return the ``count`` likeliest emotions (None: all) with their probabilities."""
        return sorted(self.probabilities.items(), key=lambda item: -item[1])[:count]

    def to_dict(self, *, timing: bool = True, top_k: int | None = None) -> dict[str, Any]:
        """Return the fields of this type of event.

        Args:
            timing: Whether to include latencies; without, the same audio gives the same fields.
            top_k: How many probabilities to include, the likeliest first; None for all in order.
        """
        event = self.head() | {"start": self.start, "end": self.end}
        if timing and self.at is not None:
            event["at"] = self.at
        return event | self.content(timing=timing, top_k=top_k)

    def to_json(self, *, timing: bool = True, top_k: int | None = None) -> str:
        """Return one line of JSON; arguments as of `to_dict`."""
        return json.dumps(self.to_dict(timing=timing, top_k=top_k), ensure_ascii=False)

    def head(self) -> dict[str, Any]:
        """Return the fields that name the event: its type, number, source and channel."""
        event: dict[str, Any] = {"type": self.type, "seq": self.seq}
        for key in ("source", "channel", "channel_name"):
            if (value := getattr(self, key)) is not None:
                event[key] = value
        return event

    def content(self, *, timing: bool, top_k: int | None) -> dict[str, Any]:
        """Return the fields that this kind of event has; arguments as of `to_dict`."""
        raise NotImplementedError

    def latency(self, *, timing: bool) -> dict[str, Any]:
        """Return the field of the latency, if wanted."""
        return {"latency_ms": dict(self.latency_ms)} if timing else {}

    def answer(self, top_k: int | None) -> dict[str, Any]:
        """Return the fields of its emotion, of dimensions and embedding; ``top_k`` as above."""
        shown = self.ranked(top_k) if top_k else self.probabilities.items()
        found: dict[str, Any] = {
            "emotion": self.emotion,
            "confidence": None if self.confidence is None else round(self.confidence, 6),
            "probabilities": {k: round(p, 6) for k, p in shown},
        }
        if self.dimensions:
            found["dimensions"] = {name: round(x, 6) for name, x in self.dimensions.items()}
        if self.embedding is not None:
            found["embedding"] = [round(x, 6) for x in self.embedding]
        return found
