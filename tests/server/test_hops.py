"""A network with caches behind the server: the same events as here, in calls that streams share."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import pytest
from websockets.sync.client import connect

import ser_rt
from ser_rt.client import Client
from ser_rt.commands.stream import main
from ser_rt.runtime.backends.onnx_classifier import OnnxClassifier
from ser_rt.runtime.batcher import Batch
from ser_rt.runtime.stream import load
from tests.conftest import RATE, make_wave
from tests.server.conftest import CONFIG, Running, finished, pcm, receive, rest, send, serving


@pytest.fixture(scope="module")
def model(streaming_bundle: Path) -> OnnxClassifier:
    return load(streaming_bundle)


@pytest.fixture(scope="module")
def streaming(model: OnnxClassifier) -> Iterator[Running]:
    with serving(model, max_batch=4, max_wait_s=0.002) as running:
        yield running


def test_the_graph_of_whole_windows_is_never_opened(streaming: Running) -> None:
    with streaming.stream() as socket:
        socket.send(pcm(2))
        messages, _, _ = finished(socket)
    assert [m["end"] for m in messages if m["type"] == "emotion"] == [0.5, 1.0, 1.5, 2.0]
    model = streaming.service.model
    assert isinstance(model, OnnxClassifier)
    assert model._of_windows is None


def test_events_are_those_of_ser_stream_byte_for_byte(
    streaming: Running,
    write_audio: Callable[..., Path],
    streaming_bundle: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    wave = np.round(make_wave(6.3, 44_100) * 32767).astype(np.int16)
    wave[2 * 44_100 : 5 * 44_100] = 0
    flags = ["--model", str(streaming_bundle), "--no-vad", "--no-timing", "--episodes", "-q"]
    assert main([*flags, "--format", "jsonl", str(write_audio("a.wav", wave, 44_100))]) == 0
    wanted = capsys.readouterr().out.splitlines()
    with streaming.stream(sample_rate=44_100, episodes=True) as socket:
        for start in range(0, 2 * len(wave), 7_001):
            socket.send(wave.tobytes()[start : start + 7_001])
        messages, code, _ = finished(socket)
    assert [json.dumps(message, ensure_ascii=False) for message in messages] == wanted
    assert code == 1000


def test_gaps_resets_and_requests_leave_nothing_behind(streaming: Running) -> None:
    again, cut = pcm(1.5, seed=1), 2 * round(0.7 * RATE)
    with connect(streaming.ws) as socket:
        socket.send(json.dumps(CONFIG | {"half_life_s": 0, "hop_s": 0.4}))
        assert receive(socket)["window_s"] == pytest.approx(3.2)
        send(socket, pcm(1.5), '{"type": "gap", "seconds": 1}', again)
        send(socket, '{"type": "reset"}', again[:cut], '{"type": "finalize"}', again[cut:])
        messages, _, _ = finished(socket)
    found = [m for m in messages if m["type"] == "emotion"]
    before, after = [m for m in found if m["end"] > 2], found[-4:]
    assert [m["end"] for m in before] == pytest.approx([3.3, 3.7])
    assert [m["end"] for m in after] == pytest.approx([0.7, 0.8, 1.2, 1.5])
    by_end = {round(m["end"], 3): m["probabilities"] for m in after}
    for event in before:
        assert by_end[round(event["end"] - 2.5, 3)] == event["probabilities"]


def test_a_hop_that_the_network_cannot_do_is_refused_where_streaming_is_required(
    streaming_bundle: Path,
) -> None:
    with serving(load(streaming_bundle, streaming=True)) as running:
        with connect(running.ws) as socket:
            socket.send(json.dumps(CONFIG | {"hop_s": 1.5}))
            messages, code, reason = rest(socket)
        assert (code, reason) == (1008, "bad_config")
        assert "hop" in messages[0]["message"]
        answer = httpx.post(running.http("/v1/classify?hop_s=1.5"), content=b"RIFF")
        assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")


def test_a_client_with_another_window_has_whole_windows_beside_streams(
    streaming_bundle: Path,
) -> None:
    found = {}
    with serving(load(streaming_bundle)) as running:
        for window_s in (3.0, 2.0):
            with connect(running.ws) as socket:
                socket.send(json.dumps(CONFIG | {"window_s": window_s}))
                ready = receive(socket)
                assert (ready["streaming"], ready["window_s"]) == (window_s == 3, window_s)
                socket.send(pcm(4))
                socket.send('{"type": "close"}')
                found[window_s] = [m for m in rest(socket)[0] if m["type"] == "emotion"]
    audio = np.frombuffer(pcm(4), np.int16)
    whole = load(streaming_bundle, streaming=False)
    for window_s, model in ((2.0, whole), (3.0, load(streaming_bundle))):
        wanted = ser_rt.stream(audio, sample_rate=RATE, model=model, vad=False, window_s=window_s)
        rows = [event.to_dict()["probabilities"] for event in wanted]
        assert [m["probabilities"] for m in found[window_s]] == rows


def test_streams_that_come_and_go_share_calls_and_hear_what_they_would_alone(
    model: OnnxClassifier,
) -> None:
    calls: list[Batch] = []
    waves = [make_wave(2 + 0.5 * number, seed=number) for number in range(8)]

    def ends(events: list[ser_rt.Event]) -> list[tuple[float, list[float]]]:
        return [(e.end, list(e.probabilities.values())) for e in events]

    alone = [
        ends(list(ser_rt.stream(wave, sample_rate=RATE, model=model, vad=False))) for wave in waves
    ]
    with serving(model, max_batch=8, max_wait_s=0.02, workers=1) as running:
        running.service.batcher._observe = calls.append
        client = Client(running.ws, vad=False)
        with ThreadPoolExecutor(8) as pool:
            together = list(
                pool.map(lambda wave: ends(list(client.stream([wave], sample_rate=RATE))), waves)
            )
    assert max(call.size for call in calls) > 2
    for found, wanted in zip(together, alone, strict=True):
        assert [end for end, _ in found] == [end for end, _ in wanted]
        np.testing.assert_allclose([row for _, row in found], [row for _, row in wanted], atol=1e-5)


def test_models_tells_the_windows_of_streams(streaming: Running) -> None:
    (about,) = httpx.get(streaming.http("/v1/models")).json()["models"]
    assert (about["window_s"], about["hop_s"], about["min_window_s"]) == (3.0, 0.5, 0.5)
