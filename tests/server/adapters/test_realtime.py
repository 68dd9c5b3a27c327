"""Audio as OpenAI's Realtime API takes it; and keys, wherever a service can put them."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from ser_rt.runtime.backends.onnx_classifier import OnnxClassifier
from tests.conftest import make_wave
from tests.server.conftest import Running, pcm, serving
from tests.support.calls import CONNECTED, Message, alone, opened, told, voice


def append(audio: bytes | str) -> Message:
    text = audio if isinstance(audio, str) else base64.b64encode(audio).decode()
    return {"type": "input_audio_buffer.append", "event_id": "event_456", "audio": text}


MP3 = {"input_audio_format": "mp3"}
COMMIT: Message = {"type": "input_audio_buffer.commit", "event_id": "event_789"}


def test_a_realtime_session(running: Running, classifier: OnnxClassifier) -> None:
    samples = voice(2.0, 1)
    update = {"type": "session.update", "session": {"input_audio_format": "g711_ulaw"}}
    with opened(running, "/v1/realtime?vad=false") as socket:
        assert json.loads(socket.recv(60))["type"] == "session.created"
        for at in range(0, len(samples), 1_600):
            if not at:
                socket.send(json.dumps(update))
            socket.send(json.dumps(append(samples[at : at + 1_600])))
        socket.send(json.dumps(COMMIT))
        events: list[Message] = []
        while not events or events[-1]["type"] != "input_audio_buffer.committed":
            events.append(json.loads(socket.recv(60)))
        # Nothing is there to commit now: that is an error, and not the end.
        socket.send(json.dumps(COMMIT))
        empty = json.loads(socket.recv(60))
        socket.send(json.dumps({"type": "input_audio_buffer.clear"}))
        assert json.loads(socket.recv(60))["type"] == "input_audio_buffer.cleared"
    assert empty["error"]["code"] == "input_audio_buffer_commit_empty"
    session = events[0]["session"]["audio"]["input"]["format"]
    assert (events[0]["type"], session) == ("session.updated", {"type": "audio/pcmu", "rate": 8000})
    (turn,) = [event for event in events if event["type"] == "ser.turn"]
    (wanted,) = [event for event in alone(classifier, samples) if event["type"] == "turn"]
    assert (turn["emotion"], turn["start"]) == (wanted["emotion"], 0.0)
    assert turn["end"] == pytest.approx(2.0, abs=0.05)
    assert len({event["event_id"] for event in events}) == len(events)


def test_a_realtime_session_without_update_is_pcm_at_24_khz(running: Running) -> None:
    wave = (make_wave(1.2, 24_000) * 32767).astype("<i2").tobytes()
    with opened(running, "/v1/realtime?vad=false") as socket:
        socket.recv(60)
        for message in (append(wave), COMMIT):
            socket.send(json.dumps(message))
        events = [json.loads(socket.recv(60))]
        while events[-1]["type"] != "input_audio_buffer.committed":
            events.append(json.loads(socket.recv(60)))
    assert events[0]["type"] == "ser.emotion"
    assert events[0]["end"] == 1.0


@pytest.mark.parametrize(
    ("messages", "code", "words"),
    [
        ([append("%%%")], "bad_audio", "base64"),
        ([append("")], "bad_audio", "base64"),
        ([{"type": "input_audio_buffer.append"}], "bad_audio", "base64"),
        ([{"type": "response.create"}], "bad_message", "response.create"),
        ([{"type": "session.update"}], "bad_message", "session"),
        (
            [{"type": "session.update", "session": {"input_audio_format": "mp3"}}],
            "bad_config",
            "mp3",
        ),
        ([CONNECTED], "bad_message", "/v1/stream"),
        ([pcm(0.1)], "bad_message", "binary"),
        (
            [
                append(b"\x00\x00"),
                {
                    "type": "session.update",
                    "session": {"audio": {"input": {"format": {"type": "audio/pcmu"}}}},
                },
            ],
            "bad_message",
            "cannot change",
        ),
    ],
)
def test_a_realtime_session_that_makes_no_sense_is_refused(
    running: Running, messages: list[Any], code: str, words: str
) -> None:
    with opened(running, "/v1/realtime") as socket:
        events, closed = told(socket, *messages)
    assert events[-1]["type"] == "error"
    assert events[-1]["error"]["code"] == code
    assert words in events[-1]["error"]["message"]
    assert closed in {1007, 1008}


def test_keys_come_in_the_address_or_as_a_token(classifier: OnnxClassifier) -> None:
    key = "a-key-of-more-than-16"

    def status(running: Running, path: str, **headers: str) -> int:
        try:
            url = f"ws://127.0.0.1:{running.port}{path}"
            with connect(url, additional_headers=headers):
                return 101
        except InvalidStatus as refused:
            return refused.response.status_code

    with serving(classifier, keys=(key,)) as locked:
        assert status(locked, "/v1/twilio") == 401
        assert status(locked, "/v1/twilio/another-key-of-the-same") == 401
        assert status(locked, f"/v1/twilio/{key}") == 101
        query = "/v1/listen?encoding=mulaw&sample_rate=8000"
        assert status(locked, query, Authorization=f"Token {key}") == 101
        assert status(locked, f"/v1/realtime?token={key}") == 101
