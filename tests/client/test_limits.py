"""The client within the limits of a server: long sessions, slow readers, short messages."""

from __future__ import annotations

import asyncio
import itertools
import time
from typing import Any

import pytest

from ser_rt.audio.sources.push import PushSource
from ser_rt.client import Client, conversation
from ser_rt.runtime.backends.onnx_classifier import OnnxClassifier
from ser_rt.server.limits import ServerLimits
from tests.conftest import RATE, make_wave
from tests.server.conftest import serving


@pytest.mark.parametrize("is_live", [False, True])
def test_a_session_that_is_too_long_goes_on_in_another(
    classifier: OnnxClassifier,
    is_live: bool,  # noqa: FBT001 (a parameter)
) -> None:
    wave = make_wave(20.0)
    with serving(classifier, ServerLimits(max_session_s=8.0)) as running:
        source: Any = wave
        if is_live:
            source = PushSource(RATE)
            source.push(wave)
            source.close()
        rate = None if is_live else RATE
        events = list(Client(running.ws, vad=False).stream(source, sample_rate=rate))
    lost = [e for e in events if e.type == "warning" and e.code == "stream_lost"]
    assert lost
    assert "session_too_long" in lost[0].message
    if not is_live:  # nothing is lost: a new session begins with a result of its first second
        ends = [event.end for event in events if event.type == "emotion"]
        assert ends[-1] == 20.0
        assert {b - a for a, b in itertools.pairwise(ends)} == {0.5, 1.0}


def test_a_reader_that_is_slow_makes_the_server_wait(classifier: OnnxClassifier) -> None:
    waiting: list[int] = []
    put_at: list[float] = []

    class Watched(asyncio.Queue[Any]):
        def put_nowait(self, item: Any) -> None:
            super().put_nowait(item)
            waiting.append(self.qsize())
            put_at.append(time.monotonic())

    with serving(classifier) as running, pytest.MonkeyPatch.context() as patch:
        patch.setattr(conversation, "MAX_AHEAD_S", 5.0)
        patch.setattr(asyncio, "Queue", Watched)
        client = Client(running.ws, vad=False, hop_s=0.1)
        events = client.stream(make_wave(120.0), sample_rate=RATE)
        next(events)
        running.wait_until(lambda: len(waiting) > 100 and time.monotonic() - put_at[-1] > 1)
        rest = list(events)
    assert len(rest) == 1190
    assert max(waiting) < 64 + 2 * 5 / 0.1


def test_messages_are_as_long_as_the_server_takes(classifier: OnnxClassifier) -> None:
    wave = make_wave(6.0)
    with serving(classifier, ServerLimits(max_message_bytes=8192)) as running:
        events = list(Client(running.ws, vad=False).stream(wave, sample_rate=RATE))
    assert [event.type for event in events] == ["emotion"] * 11
