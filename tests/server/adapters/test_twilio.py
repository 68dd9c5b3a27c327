"""Twilio Media Streams, by message sequences as their documentation has them."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from websockets.sync.client import connect

from ser_rt.runtime.backends.onnx_classifier import OnnxClassifier
from tests.server.conftest import CONFIG, Running, pcm, receive
from tests.support.calls import CONNECTED, Message, alone, of_channel, opened, told, voice

STREAM, CALL = "MZ18ad3ab5a668481ce02b83e7395059f0", "CA0123456789abcdef0123456789abcdef"


def start(*tracks: str, **parameters: str) -> Message:
    return {
        "event": "start",
        "sequenceNumber": "1",
        "start": {
            "accountSid": "AC0123456789abcdef0123456789abcdef",
            "streamSid": STREAM,
            "callSid": CALL,
            "tracks": list(tracks),
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            "customParameters": parameters,
        },
        "streamSid": STREAM,
    }


STOP: Message = {
    "event": "stop",
    "sequenceNumber": "9",
    "stop": {"accountSid": "AC0123456789abcdef0123456789abcdef", "callSid": CALL},
    "streamSid": STREAM,
}
MARK: Message = {
    "event": "mark",
    "sequenceNumber": "4",
    "streamSid": STREAM,
    "mark": {"name": "my label"},
}


def media(payload: bytes | str, at_ms: int, track: str = "inbound") -> Message:
    text = payload if isinstance(payload, str) else base64.b64encode(payload).decode()
    about = {"track": track, "chunk": "1", "timestamp": str(at_ms), "payload": text}
    return {"event": "media", "sequenceNumber": "3", "media": about, "streamSid": STREAM}


def packets(samples: bytes, track: str, begin_ms: int = 0) -> list[Message]:
    """Packets of 20 ms."""
    starts = range(0, len(samples), 160)
    return [media(samples[at : at + 160], begin_ms + at // 8, track) for at in starts]


def test_both_tracks_of_a_call_are_two_channels(
    running: Running, classifier: OnnxClassifier
) -> None:
    inbound, outbound = voice(3.0, 1), voice(3.0, 2)
    pairs = zip(packets(inbound, "inbound"), packets(outbound, "outbound"), strict=True)
    with opened(running, "/v1/twilio") as socket:
        begun = [CONNECTED, start("inbound", "outbound", vad="false"), MARK]
        events, code = told(socket, *begun, *(one for pair in pairs for one in pair), STOP)
    assert code == 1000
    assert events[0]["event"] == "ready"
    assert {event["streamSid"] for event in events} == {STREAM}
    assert events[-1]["event"] == "summary"
    assert {(e["channel"], e["channel_name"]) for e in events if e["event"] == "turn"} == {
        (1, "inbound"),
        (2, "outbound"),
    }
    # What each of them gives is what it gives alone.
    for channel, samples in ((1, inbound), (2, outbound)):
        assert of_channel(events, channel) == alone(classifier, samples)


def test_one_track_is_one_stream(running: Running, classifier: OnnxClassifier) -> None:
    samples = voice(2.0, 1)
    with opened(running, "/v1/twilio") as socket:
        begun = [CONNECTED, start("inbound", vad="false", turns="true")]
        events, code = told(socket, *begun, *packets(samples, "inbound"), STOP)
    assert code == 1000
    drop = {"event", "streamSid", "seq", "latency_ms", "at"}
    found = [{k: v for k, v in event.items() if k not in drop} for event in events[1:-1]]
    assert found == alone(classifier, samples)


def test_lost_packets_and_a_track_that_is_late_are_silence(running: Running) -> None:
    with opened(running, "/v1/twilio") as socket:
        begun = [CONNECTED, start("inbound", "outbound", vad="false")]
        first = packets(voice(1.0, 1), "inbound")
        # Two seconds of the caller are lost, and the agent begins after them.
        later = [
            *packets(voice(1.0, 2), "inbound", 3000),
            *packets(voice(1.0, 3), "outbound", 3000),
        ]
        events, code = told(socket, *begun, *first, *later, STOP)
    assert code == 1000
    turns = [(e["channel"], e["start"], e["end"]) for e in events if e["event"] == "turn"]
    assert [channel for channel, _, _ in turns] == [1, 1, 2]
    for (_, begin, end), wanted in zip(turns, [(0, 1), (3, 4), (3, 4)], strict=True):
        assert (begin, end) == pytest.approx(wanted, abs=0.05)
    assert events[-1]["audio_s"] == pytest.approx(4.0)


@pytest.mark.parametrize(
    ("messages", "code", "words"),
    [
        ([CONNECTED, start("inbound"), STOP], "no_audio", "without any audio"),
        ([CONNECTED, STOP], "config_expected", "before start"),
        ([media(b"\x00" * 160, 0)], "config_expected", "before start"),
        ([start("inbound"), media(b"\x00" * 159, 0)], "bad_audio", "159 bytes"),
        ([start("inbound"), media("no base64!", 0)], "bad_audio", "no base64"),
        ([start("inbound"), media("", 0)], "bad_audio", "base64"),
        ([start("inbound"), media(b"\x00" * 160, 0, "outbound")], "bad_message", "outbound"),
        ([start("inbound"), media(b"\x00" * 160, 10**9)], "bad_message", "jump"),
        ([start("inbound"), start("inbound")], "bad_message", "twice"),
        ([start("sideways")], "bad_config", "sideways"),
        ([start("inbound", hop="1")], "bad_config", "no setting 'hop'"),
        ([start("inbound", hop_s="soon")], "bad_message", "soon"),
        ([{"event": "start"}], "bad_message", "start"),
        ([{"event": "dance"}], "bad_message", "dance"),
        ([CONFIG], "bad_message", "/v1/stream"),
        ([pcm(0.1)], "bad_message", "binary"),
        (["{"], "bad_json", "JSON"),
    ],
)
def test_what_is_no_call_is_refused(
    running: Running, messages: list[Any], code: str, words: str
) -> None:
    with opened(running, "/v1/twilio") as socket:
        events, closed = told(socket, *messages)
    assert events[-1]["type"] == events[-1]["event"] == "error"
    assert events[-1]["code"] == code
    assert words in events[-1]["message"]
    assert closed in {1007, 1008}


def test_a_call_at_the_wrong_address_is_told_the_right_one(running: Running) -> None:
    with connect(running.ws) as socket:
        socket.send(json.dumps(CONNECTED))
        assert "/v1/twilio" in receive(socket)["message"]
