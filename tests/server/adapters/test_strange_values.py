"""Whatever stands in a message, an adapter takes it or says what is wrong with it."""

from __future__ import annotations

import base64
import copy
import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ser_rt.server.adapters.base import Adapter
from ser_rt.server.adapters.listen import ListenAdapter
from ser_rt.server.adapters.realtime import RealtimeAdapter
from ser_rt.server.adapters.twilio import TwilioAdapter
from ser_rt.server.protocol import ProtocolError

AUDIO = base64.b64encode(b"\xff" * 160).decode()
FORMAT = {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}
START = {"tracks": ["inbound"], "mediaFormat": FORMAT, "customParameters": {"quiet": "true"}}
MESSAGES: dict[type[Adapter], list[dict[str, Any]]] = {
    TwilioAdapter: [
        {"event": "connected", "protocol": "Call"},
        {"event": "start", "streamSid": "MZ", "start": {**START, "callSid": "CA"}},
        {"event": "media", "media": {"track": "inbound", "timestamp": "0", "payload": AUDIO}},
        {"event": "stop"},
    ],
    RealtimeAdapter: [
        {
            "type": "session.update",
            "session": {"audio": {"input": {"format": {"type": "audio/pcmu", "rate": 8000}}}},
        },
        {"type": "session.update", "session": {"input_audio_format": "g711_ulaw"}},
        {"type": "input_audio_buffer.append", "audio": AUDIO},
        {"type": "input_audio_buffer.commit"},
    ],
    ListenAdapter: [{"type": "KeepAlive"}, {"type": "Finalize"}, {"type": "CloseStream"}],
}
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=4,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of everything in a message."""
    keys = (
        value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    )
    found = [path] if path else []
    for key in keys:
        found += places(value[key], (*path, key))
    return found


@pytest.mark.parametrize("made", MESSAGES, ids=lambda made: made.__name__)
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_another_value_anywhere_is_taken_or_refused(
    made: Callable[[], Adapter], data: st.DataObject
) -> None:
    messages = copy.deepcopy(MESSAGES[made])  # type: ignore[index]  # a class is callable
    number = data.draw(st.integers(0, len(messages) - 1))
    *path, last = data.draw(st.sampled_from(places(messages[number])))
    at: Any = messages[number]
    for key in path:
        at = at[key]
    at[last] = data.draw(VALUES)
    adapter = made()
    list(adapter.open({}))
    for message in messages:
        with suppress(ProtocolError):
            list(adapter.take(json.dumps(message)))


def test_the_number_of_channels_of_a_file_is_found() -> None:
    adapter = ListenAdapter()
    list(adapter.open({"multichannel": "true"}))
    found = [next(adapter.give({"type": "emotion", "channel": n})) for n in (1, 2, 1)]
    assert [message["channel_index"] for message in found] == [[0, 1], [1, 2], [0, 2]]


def test_a_track_that_stalls_is_silent_and_makes_nothing_late() -> None:
    adapter = TwilioAdapter()
    list(adapter.open({}))
    start = {"event": "start", "start": {"tracks": ["inbound", "outbound"]}}
    list(adapter.take(json.dumps(start)))

    def samples_of(track: str, ms: int) -> int:
        media = {"track": track, "timestamp": str(ms), "payload": AUDIO}
        taken = adapter.take(json.dumps({"event": "media", "media": media}))
        return sum(len(audio) for audio in taken if isinstance(audio, bytes))

    samples = 0
    for begin in range(0, 20_000, 4_000):
        for ms in range(begin, begin + 4_000, 20):
            samples += samples_of("outbound", ms)
            samples += samples_of("inbound", ms) if ms < begin + 1_000 else 0
        samples += sum(samples_of("inbound", ms) for ms in range(begin + 1_000, begin + 4_000, 20))
    assert samples == pytest.approx(2 * 20 * 8_000, abs=2 * 0.3 * 8_000)
