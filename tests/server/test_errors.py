"""What a client may do wrong, and the error: code, close code, and that it is over."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from ser_rt.runtime.backends.onnx_classifier import OnnxClassifier
from ser_rt.server import session
from ser_rt.server.limits import ServerLimits
from ser_rt.server.protocol import CLOSE_CODES, STATUSES, schema
from tests.server.conftest import CONFIG, Running, pcm, receive, rest, send, serving
from tests.support.source_tree import ROOT

Connected = Callable[..., ClientConnection]
DEEP = "[" * 8_000


def expect_error(socket: ClientConnection, code: str, words: str = "") -> None:
    """The last message is this error, and the close code goes with it."""
    messages, close_code, reason = rest(socket)
    assert messages, f"closed with {close_code} and no message"
    assert (messages[-1]["type"], messages[-1]["code"]) == ("error", code)
    assert messages[-1]["fatal"] is True
    assert words in messages[-1]["message"]
    assert (close_code, reason) == (CLOSE_CODES[code], code)


@pytest.mark.parametrize(
    ("first", "code", "words"),
    [
        (b"audio", "config_expected", "first message"),
        ('{"type": "close"}', "config_expected", "not close"),
        ("hello", "bad_json", "audio binary"),
        (DEEP, "bad_json", ""),
        ("[]", "bad_json", "object, not list"),
        ('{"type": "config", "sample_rate": NaN}', "bad_json", "Out of range float"),
        ('{"type": "keepalive", "id": 1e999}', "bad_json", "Out of range float"),
        ('{"type": "keepalive", "id": "\\ud800"}', "bad_json", "surrogates"),
        ("{}", "bad_message", "'type' is a required property"),
        ('{"type": "speak"}', "bad_message", "'speak'"),
        ('{"type": "config"}', "bad_message", "sample_rate"),
        ('{"type": "config", "encoding": "opus", "channels": 1}', "bad_message", "channels"),
        ("x" * 20_000, "message_too_big", "at most 16384"),
    ],
)
def test_a_wrong_first_message(running: Running, first: str | bytes, code: str, words: str) -> None:
    with connect(running.ws) as socket:
        socket.send(first)
        expect_error(socket, code, words)


@pytest.mark.parametrize(
    ("changes", "code", "words"),
    [
        ({"model": "/etc/passwd"}, "bad_message", "'model' was unexpected"),
        ({"sample_rate": 16_000.5}, "bad_message", "sample_rate"),
        ({"sample_rate": 1}, "bad_message", "minimum"),
        ({"encoding": "mp3"}, "bad_message", "'mp3' is not one of"),
        ({"channels": 0}, "bad_message", "channels"),
        ({"hop_s": 0.001}, "bad_message", "hop_s: 0.001 is less than"),
        ({"window_s": 3600}, "bad_message", "window_s: 3600 is greater"),
        ({"window_s": 1, "hop_s": 2}, "bad_config", "longer"),
        ({"window_s": True}, "bad_message", "True is not of type"),
        ({"steadiness": {"enter": 2}}, "bad_message", "steadiness: enter"),
        ({"steadiness": {"leave_s": 0}}, "bad_message", "leave_s"),
        ({"vad": 1}, "bad_message", "vad"),
        ({"name": ""}, "bad_message", "name"),
    ],
)
def test_a_wrong_setting(running: Running, changes: dict[str, Any], code: str, words: str) -> None:
    with connect(running.ws) as socket:
        socket.send(json.dumps(CONFIG | changes))
        expect_error(socket, code, words)


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        ("audio, but as text", "bad_json"),
        (json.dumps(CONFIG), "bad_message"),
        ('{"type": "finalize", "now": true}', "bad_message"),
        ('{"type": "gap"}', "bad_message"),
        ('{"type": "gap", "seconds": -1}', "bad_message"),
        ('{"type": "keepalive", "id": []}', "bad_message"),
    ],
)
def test_a_wrong_message_later(connected: Connected, sent: str, code: str) -> None:
    socket = connected()
    socket.send(pcm(0.2))
    socket.send(sent)
    expect_error(socket, code)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e6])
def test_samples_that_are_none(connected: Connected, value: float) -> None:
    socket = connected(encoding="pcm_f32le")
    socket.send(np.full(16_000, value, "<f4").tobytes())
    expect_error(socket, "bad_audio", "sample 0 is")


def test_a_gap_in_a_container_is_refused(running: Running) -> None:
    with connect(running.ws) as socket:
        socket.send('{"type": "config", "encoding": "opus"}')
        assert receive(socket)["type"] == "ready"
        socket.send('{"type": "gap", "seconds": 1}')
        expect_error(socket, "bad_message", "opus")


def test_limits_of_time_and_audio(
    classifier: OnnxClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ended(limits: ServerLimits, sent: list[str | bytes], code: str, words: str) -> None:
        with serving(classifier, limits) as running, connect(running.ws) as socket:
            send(socket, *sent)
            expect_error(socket, code, words)

    config = json.dumps(CONFIG)
    ended(ServerLimits(idle_timeout_s=0.3), [config], "idle_timeout", "keepalive")
    # Its audio is too long long before its time is over.
    ended(ServerLimits(max_session_s=10), [config, pcm(11)], "session_too_long", "10 s of audio")
    ended(ServerLimits(max_session_s=0.3), [config], "session_too_long", "may last 0.3 s")
    monkeypatch.setattr(session, "CONFIG_TIMEOUT_S", 0.1)
    ended(ServerLimits(), [], "config_expected", "no config within")


@pytest.mark.parametrize("fragments", [1, 1_600])
def test_a_message_of_a_hundred_megabytes_is_not_even_read(
    connected: Connected, fragments: int
) -> None:
    socket = connected()
    whole = bytes(100_000_000 // fragments)
    send(socket, whole if fragments == 1 else itertools.repeat(whole, fragments))
    with pytest.raises(ConnectionClosed, match="1009"):
        socket.recv(60)


def test_the_page_of_the_protocol_has_every_code_and_key() -> None:
    text = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")
    definitions = schema()["$defs"]
    codes = set(definitions["error"]["properties"]["code"]["enum"])
    assert codes == CLOSE_CODES.keys() | STATUSES.keys()
    words = codes | set(definitions["warning"]["properties"]["code"]["enum"])
    words |= definitions["config"]["properties"].keys() - {"type"}
    words |= set(definitions["client_message"]["properties"]["type"]["enum"])
    assert {word for word in words if f"`{word}`" not in text and f'"{word}"' not in text} == set()
    for code, close_code in CLOSE_CODES.items():
        assert f"| `{code}` | {close_code} |" in text


def test_every_definition_is_a_schema() -> None:
    from jsonschema import Draft202012Validator

    Draft202012Validator.check_schema(schema())
