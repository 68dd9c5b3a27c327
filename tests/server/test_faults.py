"""Clients that vanish, stall, flood or lie; a model that fails: the others never notice."""

from __future__ import annotations

import gc
import json
import socket as sockets
import struct
import threading
import time
from contextlib import suppress

import numpy as np
import psutil
import pytest
from websockets.sync.client import connect

from ser_rt.runtime.backends.onnx_classifier import OnnxClassifier
from ser_rt.server import transport
from ser_rt.server.limits import ServerLimits
from tests.conftest import RATE, make_wave
from tests.server.conftest import (
    CONFIG,
    FlawedModel,
    Running,
    finished,
    pcm,
    raw_connection,
    receive,
    rest,
    serving,
)

UPGRADE = (
    "GET /v1/stream HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


def upgraded(running: Running) -> sockets.socket:
    """Open a WebSocket by hand, and begin a stream."""
    raw = raw_connection(running)
    raw.sendall(UPGRADE.encode())
    assert raw.recv(4096).startswith(b"HTTP/1.1 101")
    raw.sendall(frame(json.dumps(CONFIG).encode(), opcode=1))
    return raw


def frame(data: bytes, opcode: int = 2) -> bytes:
    """Return a masked frame, with a mask that changes nothing."""
    length = struct.pack("!BH", 0x80 | 126, len(data))
    return bytes([0x80 | opcode]) + length + bytes(4) + data


def all_of(raw: sockets.socket) -> bytes:
    """Return what comes until the connection ends."""
    data = b""
    with suppress(ConnectionResetError):
        while more := raw.recv(4096):
            data += more
    return data


@pytest.mark.parametrize("is_abrupt", [True, False])
def test_a_client_that_vanishes_in_mid_window_frees_its_place(
    running: Running, *, is_abrupt: bool
) -> None:
    raw = upgraded(running)
    running.wait_until(lambda: len(running.service.sessions) == 1)
    raw.sendall(frame(pcm(0.7)))
    if is_abrupt:  # a reset in place of a goodbye
        raw.setsockopt(sockets.SOL_SOCKET, sockets.SO_LINGER, struct.pack("ii", 1, 0))
    raw.close()
    running.wait_until(lambda: not running.service.sessions and not running.service.taken)


def test_a_half_open_connection_is_found_by_its_pings(classifier: OnnxClassifier) -> None:
    settings = {"ws_ping_interval": 0.1, "ws_ping_timeout": 0.1}
    with serving(classifier, uvicorn_settings=settings) as running:
        raw = upgraded(running)
        running.wait_until(lambda: len(running.service.sessions) == 1)
        # It answers no ping, and sends nothing more.
        running.wait_until(lambda: not running.service.sessions)
        raw.close()


def test_a_failing_model_ends_its_stream_alone(
    classifier: OnnxClassifier, caplog: pytest.LogCaptureFixture
) -> None:
    wave = make_wave(4)
    bad = wave.copy()
    bad[0] = 0.625
    with (
        serving(FlawedModel(classifier, 0.625), max_batch=4) as running,
        running.stream(encoding="pcm_f32le") as good,
        running.stream(encoding="pcm_f32le") as doomed,
    ):
        good.send(wave.astype("<f4").tobytes())
        doomed.send(bad.astype("<f4").tobytes())
        messages, code, _ = rest(doomed)
        assert (messages[-1]["code"], code) == ("model_failed", 1011)
        assert "out of memory" in messages[-1]["message"]
        messages, code, _ = finished(good)
        assert (messages[-1]["windows"], code) == (7, 1000)
    assert "out of memory" in caplog.text


def test_a_client_that_does_not_read_is_ended_and_slows_nobody(
    classifier: OnnxClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "GRACE_S", 0.1)
    limits = ServerLimits(send_buffer_bytes=20_000)
    with serving(classifier, limits) as running:
        lazy = sockets.socket()
        lazy.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4096)
        lazy.connect(("127.0.0.1", running.port))
        lazy.sendall(UPGRADE.encode())
        lazy.recv(4096)
        lazy.sendall(frame(json.dumps(CONFIG | {"hop_s": 0.1, "window_s": 0.25}).encode(), 1))
        running.wait_until(lambda: len(running.service.sessions) == 1)
        lazy.settimeout(0.05)
        audio, ends_at = frame(pcm(1.0)), time.monotonic() + 20

        def feed() -> None:
            try:
                while time.monotonic() < ends_at:
                    lazy.sendall(audio)
            except OSError:
                return

        feeding = threading.Thread(target=feed)
        feeding.start()
        with running.stream(timing=True) as quick:
            quick.send(pcm(1.0))
            assert receive(quick)["end"] == 1.0
        running.wait_until(lambda: not running.service.sessions)
        lazy.close()
        feeding.join()
        counted = running.service.metrics.text()[0].decode()
        assert 'ser_streams_closed_total{code="1008"} 1.0' in counted
        running.wait_until(lambda: len(running.server.server_state.connections) == 0)


def test_a_fast_client_waits_and_loses_nothing(classifier: OnnxClassifier) -> None:
    with (
        serving(classifier, ServerLimits(max_message_bytes=65_536)) as running,
        running.stream() as client,
    ):
        wave = pcm(120)

        def send() -> None:
            for start in range(0, len(wave), 60_000):
                client.send(wave[start : start + 60_000])
            client.send('{"type": "close"}')

        sending = threading.Thread(target=send)
        sending.start()
        messages, code, _ = rest(client)
        sending.join()
    assert code == 1000
    assert messages[-1]["windows"] == 239
    assert messages[-1]["audio_s"] == 120


def test_slow_headers_are_cut_off(
    classifier: OnnxClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "CONFIG_TIMEOUT_S", 0.2)
    with serving(classifier) as running:
        with raw_connection(running) as slow:
            slow.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n")
            assert all_of(slow) == b""
        # The next header of a connection has no longer.
        monkeypatch.setattr(transport, "CONFIG_TIMEOUT_S", 10.0)
        with raw_connection(running) as slow:
            slow.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            answer = b""
            while more := b"" if answer.endswith(b'{"status":"ok"}') else slow.recv(4096):
                answer += more
            monkeypatch.setattr(transport, "CONFIG_TIMEOUT_S", 0.2)
            slow.sendall(b"GET /")
            assert all_of(slow) == b""
            assert answer.startswith(b"HTTP/1.1 200")
        # A stream that is quiet for as long is none of these.
        monkeypatch.setattr(transport, "CONFIG_TIMEOUT_S", 1.0)
        with connect(running.ws) as quiet:
            running.wait_until(lambda: len(running.service.sessions) == 1)
            with raw_connection(running) as slow:
                assert all_of(slow) == b""
            quiet.send(json.dumps(CONFIG))
            assert receive(quiet)["type"] == "ready"


def test_garbage_frames_end_one_connection(running: Running) -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        raw = upgraded(running)
        raw.sendall(rng.bytes(500))
        raw.close()
    for _ in range(20):
        with raw_connection(running) as raw:
            raw.sendall(rng.bytes(500))
    running.wait_until(lambda: not running.service.sessions)
    with running.stream():
        pass


def test_hundreds_of_streams_leave_nothing_behind(running: Running) -> None:
    process = psutil.Process()

    def used() -> tuple[int, int]:
        running.wait_until(lambda: not running.service.sessions)
        running.wait_until(lambda: not running.server.server_state.connections)
        gc.collect()
        return process.num_fds(), process.num_threads()

    def stream_once() -> None:
        with running.stream() as client:
            client.send(bytes(RATE // 5))

    for _ in range(10):
        stream_once()
    before = used()
    for _ in range(200):
        stream_once()
    assert used() <= (before[0] + 2, before[1] + 1)


def test_a_client_that_leaves_in_the_middle(running: Running) -> None:
    with running.stream(hop_s=0.1) as client:
        client.send(pcm(30))
    running.wait_until(lambda: not running.service.sessions)
