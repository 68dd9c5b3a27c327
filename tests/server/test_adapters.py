"""Other systems' protocols, by message sequences as their documentation has them."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import soundfile
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

import ser_rt
from ser_rt.runtime.backends.onnx_classifier import OnnxClassifier
from tests.conftest import Wave, make_wave
from tests.server.conftest import CONFIG, Running, pcm, receive, serving

Message = dict[str, Any]
PHONE_HZ = 8_000
STREAM, CALL = "MZ18ad3ab5a668481ce02b83e7395059f0", "CA0123456789abcdef0123456789abcdef"


def mulaw(wave: Wave) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, wave, PHONE_HZ, format="RAW", subtype="ULAW")
    return file.getvalue()


def voice(seconds: float, seed: int) -> bytes:
    return mulaw(make_wave(seconds, PHONE_HZ, seed))


@contextmanager
def opened(running: Running, path: str) -> Iterator[ClientConnection]:
    with connect(f"ws://127.0.0.1:{running.port}{path}", compression=None) as socket:
        yield socket


def told(socket: ClientConnection, *messages: Message | bytes | str) -> tuple[list[Message], int]:
    """Send messages; return all that comes until the server closes, and the close code."""
    try:
        for message in messages:
            socket.send(json.dumps(message) if isinstance(message, dict) else message)
    except ConnectionClosed:
        pass  # what the server said of the ones before can still be read
    found = []
    while True:
        try:
            found.append(json.loads(socket.recv(60)))
        except ConnectionClosed as closed:
            return found, closed.rcvd.code if closed.rcvd else 1006


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


CONNECTED: Message = {"event": "connected", "protocol": "Call", "version": "1.0.0"}
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


def of_channel(events: list[Message], channel: int) -> list[Message]:
    drop = {"event", "streamSid", "seq", "channel", "channel_name", "latency_ms", "channel_index"}
    found = [event for event in events if event.get("channel") == channel]
    return [{k: v for k, v in event.items() if k not in drop} for event in found]


def alone(classifier: OnnxClassifier, samples: bytes, rate: int = PHONE_HZ) -> list[Message]:
    """What the samples of one party give by themselves."""
    from ser_rt.audio.sources.pcm import PcmDecoder

    blocks = PcmDecoder(rate, 1, "mulaw").feed(samples)
    wave = np.concatenate([block.samples for block in blocks])
    events = ser_rt.stream(wave, sample_rate=rate, model=classifier, vad=False, turns=True)
    return [{k: v for k, v in e.to_dict(timing=False).items() if k != "seq"} for e in events]


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
    drop = {"event", "streamSid", "seq", "latency_ms"}
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


def test_raw_audio_after_query_parameters(running: Running, classifier: OnnxClassifier) -> None:
    first, second = voice(2.0, 1), voice(2.0, 2)
    both = np.stack([np.frombuffer(one, np.uint8) for one in (first, second)], 1).tobytes()
    query = "encoding=mulaw&sample_rate=8000&channels=2&multichannel=true&turns=true&vad=false"
    with opened(running, f"/v1/listen?{query}&model=nova-3") as socket:
        pieces = [both[at : at + 777] for at in range(0, len(both), 777)]
        control = [{"type": "KeepAlive"}, {"type": "Finalize"}, {"type": "CloseStream"}]
        events, code = told(socket, *pieces, *control)
    assert code == 1000
    kinds = [event["type"] for event in events]
    assert (kinds[0], kinds[-1], kinds.count("finalized")) == ("ready", "summary", 1)
    assert {tuple(e["channel_index"]) for e in events if "channel" in e} == {(0, 2), (1, 2)}
    for channel, samples in ((1, first), (2, second)):
        turns = [e for e in of_channel(events, channel) if e["type"] == "turn"]
        wanted = [e for e in alone(classifier, samples) if e["type"] == "turn"]
        assert [e["start"] for e in turns] == [e["start"] for e in wanted] == [0.0]


def test_raw_audio_is_mixed_unless_told_otherwise(running: Running) -> None:
    with opened(running, "/v1/listen?encoding=linear16&sample_rate=16000&vad=false") as socket:
        events, code = told(socket, pcm(1.5), {"type": "CloseStream"})
    assert code == 1000
    assert [event["type"] for event in events] == ["ready", "emotion", "emotion", "summary"]
    assert all("channel" not in event for event in events)


@pytest.mark.parametrize(
    ("query", "messages", "code", "words"),
    [
        ("encoding=linear16&sample_rate=16000", [{"type": "CloseStream"}], "no_audio", "without"),
        ("encoding=linear16", [], "bad_config", "sample_rate"),
        ("encoding=linear16&sample_rate=16000.5", [], "bad_config", "16000.5"),
        ("encoding=gsm&sample_rate=8000", [], "bad_config", "gsm"),
        ("encoding=mulaw&sample_rate=8000&multichannel=true", [], "bad_config", "one channel"),
        ("encoding=mulaw&sample_rate=8000&multichannel=2", [], "bad_config", "multichannel"),
        ("encoding=mulaw&sample_rate=8000&diarize=true", [], "bad_config", "diarize"),
        ("encoding=mulaw&sample_rate=8000", [CONNECTED], "bad_message", "/v1/stream"),
        ("encoding=mulaw&sample_rate=8000", [{"type": "config"}], "bad_message", "config"),
    ],
)
def test_raw_audio_that_is_not_described_is_refused(
    running: Running, query: str, messages: list[Any], code: str, words: str
) -> None:
    with opened(running, f"/v1/listen?{query}") as socket:
        events, closed = told(socket, *messages)
    assert (events[-1]["type"], events[-1]["code"]) == ("error", code)
    assert words in events[-1]["message"]
    assert closed in {1007, 1008}


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


def test_a_call_at_the_wrong_address_is_told_the_right_one(running: Running) -> None:
    with connect(running.ws) as socket:
        socket.send(json.dumps(CONNECTED))
        assert "/v1/twilio" in receive(socket)["message"]


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
