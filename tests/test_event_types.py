"""What a type checker knows of an event and of a provider: `make lint` checks the types here."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import assert_never, assert_type, get_args, get_type_hints

import pytest

import ser_rt
from ser_rt.runtime.backends.providers import PROVIDERS
from ser_rt.runtime.event.base import BaseEvent, EventType


def told(event: ser_rt.Event) -> str:
    """Return what an event tells; each branch has the types of its kind of event."""
    if event.type == "emotion":
        assert_type(event, ser_rt.EmotionEvent)
        return f"{assert_type(event.emotion, str)} {assert_type(event.confidence, float):.0%}"
    if event.type == "no_speech":
        assert_type(event.emotion, None)
        return f"silence {assert_type(event.speech, float):.0%}"
    if event.type == "warning":
        return assert_type(event.code, str) + assert_type(event.message, str)
    if event.type == "turn":
        return f"turn {assert_type(event.id, int)}: {assert_type(event.emotion, str)}"
    if event.type == "episode":
        return f"{event.emotion} at {assert_type(event.peak, float)}"
    assert_never(event)


def not_told(event: ser_rt.Event) -> None:
    """Hold what a type checker must refuse: lint fails where it does not."""
    event.id  # type: ignore[union-attr]  # noqa: B018  # only turns have one
    if event.type == "emotion":
        event.id  # type: ignore[attr-defined]  # noqa: B018  # a window has none
    ser_rt.load(provider="gpu")  # type: ignore[arg-type]  # there is no such provider


def test_every_event_of_a_stream_has_the_class_of_its_type(tiny_bundle: Path) -> None:
    events = list(ser_rt.stream(ser_rt.sample_path(), model=tiny_bundle, episodes=True, turns=True))
    assert {event.type for event in events} >= {"emotion", "no_speech", "episode", "turn"}
    for event in events:
        assert isinstance(event, ser_rt.Event)
        assert told(event)
    names = {type(event).__name__: event.type for event in events}
    assert (
        names.items()
        <= {
            "EmotionEvent": "emotion",
            "NoSpeechEvent": "no_speech",
            "EpisodeEvent": "episode",
            "TurnEvent": "turn",
            "WarningEvent": "warning",
        }.items()
    )


@pytest.mark.parametrize("kind", get_args(ser_rt.Event))
def test_a_kind_has_the_type_that_it_says(kind: type[BaseEvent]) -> None:
    [name] = get_args(get_type_hints(kind)["type"])
    assert {field.default for field in fields(kind) if field.name == "type"} == {name}
    assert name in get_args(EventType)


def test_all_types_and_providers_are_named() -> None:
    kinds = [get_args(get_type_hints(kind)["type"])[0] for kind in get_args(ser_rt.Event)]
    assert sorted(kinds) == sorted(get_args(EventType))
    assert get_args(ser_rt.ProviderName) == tuple(PROVIDERS)
