"""The protocol message by message, over a real socket."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from websockets.sync.client import ClientConnection, connect

from ser_rt.commands.stream import main
from ser_rt.constants import EMOTIONS
from ser_rt.testing import LABELS
from tests.conftest import make_wave
from tests.server.conftest import CONFIG, Running, finished, pcm, receive

Connected = Callable[..., ClientConnection]


def ends_of(messages: list[dict[str, Any]]) -> list[float]:
    return [m["end"] for m in messages if m["type"] in ("emotion", "no_speech")]


def test_ready_describes_the_model(running: Running) -> None:
    with connect(running.ws) as socket:
        socket.send(json.dumps(CONFIG | {"language": "ko", "hop_s": 0.25, "live": True}))
        ready = receive(socket)
    assert ready["model"] == {"name": "tiny", "version": "1.0"}
    assert (ready["provider"], ready["precision"]) == ("cpu", "fp32")
    assert [label["en"] for label in ready["labels"]] == list(LABELS)
    assert ready["labels"][1] == {"id": 1, "en": "Angry", "ko": "분노", "name": EMOTIONS["Angry"]}
    assert (ready["window_s"], ready["hop_s"], ready["min_window_s"]) == (3.0, 0.25, 1.0)
    assert ready["live"] is True


OF_TURNS = {"turns": True, "turn_pause_s": 0.3, "turn_updates": True}


@pytest.mark.parametrize("encoding", ["pcm_s16le", "pcm_f32le"])
def test_events_are_those_of_ser_stream_byte_for_byte(
    connected: Connected,
    write_audio: Callable[..., Path],
    tiny_bundle: Path,
    capsys: pytest.CaptureFixture[str],
    encoding: str,
) -> None:
    wave = np.round(make_wave(6.3, 44_100) * 32767).astype(np.int16)
    wave[3 * 44_100 : 4 * 44_100] = 0
    flags = ["--model", str(tiny_bundle), "--no-vad", "--no-timing", "--episodes", "-q"]
    flags += ["--turns", "--turn-pause", "0.3", "--turn-updates"]
    assert main([*flags, "--format", "jsonl", str(write_audio("a.wav", wave, 44_100))]) == 0
    wanted = capsys.readouterr().out.splitlines()

    socket = connected(encoding=encoding, sample_rate=44_100, episodes=True, **OF_TURNS)
    if encoding == "pcm_f32le":
        data = (wave / np.float32(32768)).astype("<f4").tobytes()
    else:
        data = wave.tobytes()
    for start in range(0, len(data), 7_001):  # in the middle of samples too
        socket.send(data[start : start + 7_001])
    messages, code, _ = finished(socket)
    assert [json.dumps(message, ensure_ascii=False) for message in messages] == wanted
    assert [message["final"] for message in messages if message["type"] == "turn"].count(True) == 2
    assert code == 1000


def test_split_channels_of_a_call_have_names(connected: Connected) -> None:
    names = ["agent", "customer"]
    socket = connected(channels=2, channel="split", channel_names=names, turns=True)
    samples = np.stack([make_wave(2, seed=1), make_wave(2, seed=2)], axis=1)
    socket.send(np.round(samples * 32767).astype("<i2").tobytes())
    messages, code, _ = finished(socket)
    turns = [m for m in messages if m["type"] == "turn"]
    assert [(m["channel"], m["channel_name"], m["id"]) for m in turns] == [
        (1, "agent", 1),
        (2, "customer", 1),
    ]
    assert code == 1000


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"channel": "split"}, "one channel"),
        ({"channels": 2, "channel": "split", "channel_names": ["a", "b", "c"]}, "3 names"),
        ({"channels": 2, "channel": "split", "channel_names": ["a", "a"]}, "share"),
        ({"channels": 2, "channel_names": ["a", "b"]}, "split"),
        ({"channels": 2, "channel": 3}, "there is no channel 3"),
    ],
)
def test_channels_that_a_stream_does_not_have_are_refused_at_once(
    running: Running, changes: dict[str, object], words: str
) -> None:
    with connect(running.ws) as socket:
        socket.send(json.dumps(CONFIG | changes))
        error = receive(socket)
        assert error["code"] == "bad_config"
        assert words in error["message"]


def test_finalize_gives_what_is_there_and_goes_on(connected: Connected) -> None:
    socket = connected()
    socket.send(pcm(1.2))
    socket.send('{"type": "finalize"}')
    first = [receive(socket) for _ in range(3)]
    assert ends_of(first) == [1.0, 1.2]
    assert first[-1] == {"type": "finalized", "end": 1.2}
    socket.send(pcm(0.5))
    messages, _, _ = finished(socket)
    assert ends_of(messages) == [1.5, 1.7]
    assert messages[-1]["audio_s"] == 1.7


def test_reset_starts_anew(connected: Connected) -> None:
    socket = connected()
    socket.send(pcm(1.1))
    assert receive(socket)["seq"] == 0
    socket.send('{"type": "reset"}')
    assert receive(socket)["type"] == "ready"
    socket.send(pcm(1.1))
    messages, _, _ = finished(socket)
    assert [(m["seq"], m["end"]) for m in messages[:-1]] == [(0, 1.0), (1, 1.1)]
    assert messages[-1]["audio_s"] == 2.2
    assert messages[-1]["windows"] == 3


def test_whole_numbers_may_have_a_point(running: Running) -> None:
    with connect(running.ws) as socket:
        whole = {"sample_rate": 16_000.0, "channels": 2.0, "top_k": 1.0}
        socket.send(json.dumps(CONFIG | whole))
        receive(socket)
        socket.send(pcm(2.0))
        assert len(receive(socket)["probabilities"]) == 1


def test_keepalive_is_answered_if_it_has_an_id(connected: Connected) -> None:
    socket = connected()
    socket.send('{"type": "keepalive"}')
    socket.send('{"type": "keepalive", "id": 7}')
    assert receive(socket) == {"type": "alive", "id": 7}


def test_a_gap_is_skipped_and_no_window_spans_it(connected: Connected) -> None:
    socket = connected()
    socket.send(pcm(1.2))
    socket.send('{"type": "gap", "seconds": 10}')
    socket.send(pcm(1.2))
    messages, _, _ = finished(socket)
    spans = [(m["start"], m["end"]) for m in messages[:-1]]
    assert spans == [(0.0, 1.0), (0.0, 1.2), (11.2, 12.2), (11.2, 12.4)]


def test_a_stream_may_begin_later_than_zero(connected: Connected) -> None:
    socket = connected(start_s=100)
    socket.send(pcm(1.0))
    assert (event := receive(socket))["start"] == 100.0
    assert event["end"] == 101.0


def test_settings_reach_the_engine(connected: Connected) -> None:
    socket = connected(
        hop_s=0.25, min_window_s=0.5, window_s=0.5, top_k=2, name="alice", timing=True,
        steadiness={"unsure": 1.0}, half_life_s=0, gate_threshold=0,
    )  # fmt: skip
    socket.send(pcm(1.0))
    messages, _, _ = finished(socket)
    assert ends_of(messages) == [0.5, 0.75, 1.0]
    first = messages[0]
    assert (first["source"], first["emotion"], len(first["probabilities"])) == (
        "alice",
        "unsure",
        2,
    )
    parts = dict(first["latency_ms"])
    assert parts.pop("total") == pytest.approx(sum(parts.values()))


def test_half_a_sample_at_the_end_is_a_warning(connected: Connected) -> None:
    socket = connected()
    socket.send(pcm(1.0) + b"x")
    messages, code, _ = finished(socket)
    warning = messages[1]
    assert (warning["type"], warning["code"]) == ("warning", "trailing_bytes")
    assert warning["fatal"] is False
    assert code == 1000


def test_a_stream_without_audio_ends_with_an_empty_summary(connected: Connected) -> None:
    socket = connected()
    messages, code, _ = finished(socket)
    assert [(m["type"], m["windows"], m["audio_s"]) for m in messages] == [("summary", 0, 0.0)]
    assert code == 1000
