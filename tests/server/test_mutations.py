"""Valid sessions, damaged at random: no crash, no leak, no hang."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from websockets.sync.client import connect

from ser_rt.runtime.backends.onnx_classifier import OnnxClassifier
from ser_rt.server.limits import ServerLimits
from ser_rt.server.protocol import CLOSE_CODES
from tests.server.conftest import CONFIG, Running, pcm, receive, rest, send, serving

Sent = list[str | bytes]

AUDIO = pcm(1.3)
VALID: list[Sent] = [
    [json.dumps(CONFIG), AUDIO, '{"type": "close"}'],
    [json.dumps(CONFIG | {"live": True}), AUDIO, '{"type": "finalize"}', AUDIO[:999]],
    [json.dumps(CONFIG), AUDIO, '{"type": "reset"}', AUDIO, '{"type": "gap", "seconds": 3}', AUDIO],
    [json.dumps(CONFIG | {"encoding": "pcm_f32le", "channels": 2}), AUDIO, '{"type": "close"}'],
    ['{"type": "config", "encoding": "opus"}', b"OggS" + AUDIO[:500], '{"type": "close"}'],
    [json.dumps(CONFIG | {"steadiness": {"enter": 0.5}}), '{"type": "keepalive", "id": 1}', AUDIO],
]
CODES = {1000, *CLOSE_CODES.values()}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


@st.composite
def damaged(draw: st.DrawFn) -> Sent:
    """Return a valid session with up to four things wrong in it."""
    sent = list(draw(st.sampled_from(VALID)))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(sent) - 1))
        message = sent[at]
        match draw(st.sampled_from(["drop", "repeat", "swap", "bytes", "value", "key", "new"])):
            case "drop" if len(sent) > 1:
                del sent[at]
            case "repeat":
                sent.insert(at, message)
            case "swap":
                sent[at], sent[0] = sent[0], sent[at]
            case "bytes":
                raw = bytearray(message if isinstance(message, bytes) else message.encode())
                for _ in range(draw(st.integers(1, 8))):
                    if raw:
                        raw[draw(st.integers(0, len(raw) - 1))] = draw(st.integers(0, 255))
                as_text = isinstance(message, str)
                sent[at] = raw.decode(errors="replace") if as_text else bytes(raw)
            case "value" | "key" if isinstance(message, str) and message.startswith("{"):
                sent[at] = _other_value(draw, message)
            case _:
                sent.insert(at, draw(st.text(max_size=50) | st.binary(max_size=2_000)))
    return sent


def _other_value(draw: st.DrawFn, message: str) -> str:
    try:
        values: Any = json.loads(message)
    except ValueError:
        return message
    if not isinstance(values, dict) or not values:
        return message
    key = draw(st.sampled_from(sorted(values)) | st.text(max_size=10))
    values[key] = draw(json_values)
    return json.dumps(values)


@pytest.fixture(scope="module")
def target(classifier: OnnxClassifier) -> Iterator[Running]:
    with serving(classifier, ServerLimits(idle_timeout_s=5.0)) as found:
        yield found


def survives(target: Running, sent: Sent) -> None:
    """Send a session; whatever comes back is of the protocol, and the place is free again."""
    with connect(target.ws, compression=None) as socket:
        # What is still open after all that is asked to end, and waits for nothing.
        send(socket, *sent, '{"type": "close"}')
        messages, code, reason = rest(socket)
    assert code in CODES, (messages, sent)
    assert reason != "internal", sent


def others_are_served(target: Running) -> None:
    """A healthy stream gets its result."""
    with target.stream() as socket:
        socket.send(AUDIO)
        assert receive(socket)["type"] == "emotion"


def campaign(target: Running, examples: int) -> None:
    @settings(
        max_examples=examples,
        suppress_health_check=list(HealthCheck),
        database=None,
    )
    @given(sent=damaged())
    def every(sent: Sent) -> None:
        survives(target, sent)

    every()
    target.wait_until(lambda: not target.service.sessions and not target.service.taken)
    assert target.service.batcher.waiting == 0
    others_are_served(target)


def test_damaged_sessions(target: Running) -> None:
    campaign(target, 200)


@pytest.mark.slow
@pytest.mark.timeout(1_800)
def test_ten_thousand_damaged_sessions(target: Running) -> None:
    campaign(target, 10_000)
