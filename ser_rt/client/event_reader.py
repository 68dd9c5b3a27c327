"""`EventReader`: events from the messages of a server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from ser_rt.runtime.event import (
    EmotionEvent,
    EpisodeEvent,
    Event,
    NoSpeechEvent,
    TurnEvent,
    WarningEvent,
)

TYPES: dict[str, type[Event]] = {
    "emotion": EmotionEvent,
    "no_speech": NoSpeechEvent,
    "episode": EpisodeEvent,
    "turn": TurnEvent,
    "warning": WarningEvent,
}
"""Class of the events of each type."""

_KEYS = {kind: {field.name for field in fields(kind)} for kind in TYPES.values()}


class EventReader:
    """Reads the events of one stream, over as many connections as it takes.

    Each connection counts its turns from 1; here they count on.
    """

    def __init__(self) -> None:
        self._last_turns: dict[int, int] = {}

    def event(self, message: Mapping[str, Any]) -> Event:
        """Return the event of a message whose type is in `TYPES`."""
        made = TYPES[message["type"]]
        event = made(**{key: message[key] for key in _KEYS[made] & message.keys()})
        if event.embedding is not None:
            event = replace(event, embedding=tuple(event.embedding))
        return event

    def counted(self, event: Event) -> Event:
        """Return an event, a turn with its number in the stream."""
        if not isinstance(event, TurnEvent):
            return event
        channel = event.channel or 0
        number = self._last_turns.get(channel, 0) + 1
        if event.final:
            self._last_turns[channel] = number
        return replace(event, id=number)
