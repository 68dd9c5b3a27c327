"""Channels that a client splits, against a real server."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import ser_rt
from ser_rt.client import Client
from ser_rt.runtime.backends.onnx_classifier import OnnxClassifier
from ser_rt.runtime.event import Event
from tests.conftest import RATE, make_wave
from tests.server.conftest import serving


def lines(events: list[Event]) -> list[str]:
    return [replace(event, seq=0).to_json(timing=False) for event in events]


@pytest.mark.parametrize(
    ("names", "channels"), [(("agent", "customer"), 2), ((), 2), ((), 1)], ids=str
)
def test_split_channels_are_those_of_this_machine(
    classifier: OnnxClassifier, names: tuple[str, ...], channels: int
) -> None:
    waves = [make_wave(3.3), make_wave(3.3)[::-1]]
    call = np.stack(waves[:channels], axis=1)
    how: Any = {"channel": "split" if channels > 1 else "all", "channel_names": names, "vad": False}
    how |= {"turns": True}
    with serving(classifier) as running:
        found = list(Client(running.ws, timing=False, **how).stream(call, sample_rate=RATE))
    for number in range(1, channels + 1):
        alone = [e for e in found if e.channel == number]
        mono: Any = {"sample_rate": RATE, "model": classifier, "vad": False, "turns": True}
        wanted = list(ser_rt.stream(waves[number - 1], **mono))
        assert {e.channel_name for e in alone} == {names[number - 1] if names else None}
        same = [replace(event, channel=None, channel_name=None) for event in alone]
        assert lines(same) == lines(wanted)
    assert [event.seq for event in found] == list(range(len(found)))
