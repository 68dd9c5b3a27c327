"""What a browser's MediaRecorder writes, as it writes it."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np
import pytest
from websockets.sync.client import connect

from ser_rt.server.container import ContainerDecoder
from tests.conftest import make_wave
from tests.server.conftest import CONFIG, Running, finished, receive, rest, send

av: Any = pytest.importorskip("av", reason="needs PyAV: pip install 'ser-rt[media]'")


def encoded(container: str, seconds: float) -> bytes:
    """Return noise as Opus in a container."""
    file = io.BytesIO()
    # Safari writes fragments.
    options = (
        {"movflags": "frag_keyframe+empty_moov+default_base_moof"} if container == "mp4" else {}
    )
    with av.open(file, "w", format=container, options=options) as output:
        stream = output.add_stream("libopus", rate=48_000)
        stream.layout = "mono"
        wave = make_wave(seconds, 48_000)
        for start in range(0, len(wave), 960):
            samples = wave[np.newaxis, start : start + 960]
            frame = av.AudioFrame.from_ndarray(samples, format="flt", layout="mono")
            frame.sample_rate = 48_000
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return file.getvalue()


def classify(running: Running, data: bytes, size: int) -> list[dict[str, Any]]:
    """Send a file in pieces; return all messages."""
    with connect(running.ws) as socket:
        changes = {"encoding": "opus"} | {k: v for k, v in CONFIG.items() if k != "sample_rate"}
        socket.send(json.dumps(changes))
        assert receive(socket)["type"] == "ready"
        for start in range(0, len(data), size):
            socket.send(data[start : start + size])
        messages, code, _ = finished(socket)
        assert code == 1000
        return messages


@pytest.mark.parametrize("container", ["webm", "ogg", "mp4"])
def test_what_browsers_write_is_classified_however_it_is_cut(
    running: Running, container: str
) -> None:
    data = encoded(container, 3.2)
    messages = classify(running, data, 1_000)
    assert [m["end"] for m in messages[:5]] == [1.0, 1.5, 2.0, 2.5, 3.0]
    assert messages[-1]["audio_s"] == pytest.approx(3.2, abs=0.05)
    assert classify(running, data, len(data)) == messages == classify(running, data, 97)


def test_results_come_while_the_file_is_written() -> None:
    data = encoded("webm", 3.0)
    source = ContainerDecoder(0.5)
    half = sum(len(block.samples) for block in source.feed(data[: len(data) // 2]))
    source.close()
    assert half > 0.9 * 48_000  # of 72,000: WebM comes in clusters


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"RIFF----WAVE", "WebM"),
        (b"Og", "WebM"),
        (b"OggS" + bytes(5_000), "not audio|no audio"),
        (b"\x1a\x45\xdf\xa3" + b"\xff" * 5_000, "not audio|no audio"),
    ],
)
def test_what_is_no_opus_is_refused(running: Running, data: bytes, words: str) -> None:
    with connect(running.ws) as socket:
        socket.send('{"type": "config", "encoding": "opus"}')
        receive(socket)
        send(socket, data, '{"type": "close"}')
        messages, code, _ = rest(socket)
    assert (messages[-1]["code"], code) == ("bad_audio", 1007)
    assert any(word in messages[-1]["message"] for word in words.split("|"))


def test_reset_begins_a_new_file(running: Running) -> None:
    data = encoded("ogg", 1.2)
    with connect(running.ws) as socket:
        socket.send('{"type": "config", "encoding": "opus", "vad": false}')
        receive(socket)
        for _ in range(2):
            socket.send(data)
            socket.send('{"type": "reset"}')
            found = [receive(socket) for _ in range(2)]
            assert [(m["type"], m.get("seq")) for m in found] == [("emotion", 0), ("ready", None)]


@pytest.mark.parametrize("container", ["webm", "ogg", "mp4"])
def test_a_file_that_breaks_off_is_an_error_after_all_results(
    running: Running, container: str
) -> None:
    data = encoded(container, 4.0)

    def messages_of_it() -> tuple[list[Any], dict[str, Any], int]:
        with connect(running.ws) as socket:
            socket.send('{"type": "config", "encoding": "opus", "vad": false, "timing": false}')
            receive(socket)
            send(socket, data[: len(data) * 2 // 3], '{"type": "close"}')
            messages, code, _ = rest(socket)
        return [m["end"] for m in messages if m["type"] == "emotion"], messages[-1], code

    ends, error, code = messages_of_it()
    assert (error["code"], code) == ("bad_audio", 1007)
    assert "truncated" in error["message"]
    assert ends[:2] == [1.0, 1.5]
    assert messages_of_it()[0] == ends == messages_of_it()[0]


@pytest.mark.parametrize("law", ["mulaw", "alaw"])
def test_what_telephones_send_is_classified(running: Running, law: str) -> None:
    codes = bytes(np.random.default_rng(3).integers(0, 256, 8_000 * 2, np.uint8))
    found = []
    for encoding in (law, f"pcm_{law}"):
        with connect(running.ws) as socket:
            config = {"type": "config", "encoding": encoding, "sample_rate": 8000.0, "vad": False}
            socket.send(json.dumps(config | {"timing": False}))
            assert receive(socket)["type"] == "ready"
            for start in range(0, len(codes), 160):
                socket.send(codes[start : start + 160])
            messages, code, _ = finished(socket)
        assert (code, messages[-1]["audio_s"]) == (1000, 2.0)
        found.append(messages)
    assert found[0] == found[1]
