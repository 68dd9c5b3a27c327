"""Uploads that stall or that nobody waits for, and a cluster that does not classify them."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator

import httpx
import numpy as np
import pytest
import soundfile

from ser_rt.audio.chunk import AudioChunk
from ser_rt.audio.sources.file import FileSource
from ser_rt.classifier import FloatArray
from ser_rt.client import Client
from ser_rt.errors import ClusterError
from ser_rt.runtime.backends.onnx_classifier import OnnxClassifier
from ser_rt.server import service, uploads
from ser_rt.server.limits import ServerLimits
from tests.conftest import RATE, make_wave
from tests.server.conftest import DEMO, FlawedModel, HeldModel, pcm, raw_connection, serving


def test_an_upload_may_come_again_to_a_cluster_that_does_not_answer(
    classifier: OnnxClassifier,
) -> None:
    class Away(FlawedModel):
        def __call__(self, waveforms: FloatArray) -> FloatArray:
            if waveforms.any():  # it was there at the beginning
                msg = "no replica answers"
                raise ClusterError(msg)
            return super().__call__(waveforms)

    content = DEMO.read_bytes()
    with serving(Away(classifier, 9.0)) as running:
        url = running.http("/v1/classify?vad=false")
        answer = httpx.post(url, content=content, timeout=60)
    assert (answer.status_code, answer.json()["code"]) == (503, "not_ready")
    assert answer.json()["message"] == "no replica answers"


def test_a_slow_upload_is_ended(classifier: OnnxClassifier) -> None:
    with (
        serving(classifier, ServerLimits(upload_timeout_s=0.2)) as running,
        raw_connection(running) as slow,
    ):
        slow.sendall(
            b"POST /v1/classify HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n\r\nRIFF"
        )
        assert b"408" in slow.recv(4096)
        running.wait_until(lambda: not running.service.taken)


def test_a_client_that_leaves_its_upload_costs_no_more_work(
    classifier: OnnxClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "SLICE_S", 0.0)  # it looks after its client at each piece
    header = b"POST /v1/classify?vad=false&hop_s=0.1 HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    file = io.BytesIO()
    soundfile.write(file, np.frombuffer(pcm(60), np.int16), RATE, format="WAV")
    body = file.getvalue()
    model = HeldModel(classifier)
    with serving(model) as running:
        model.hold()
        with raw_connection(running) as hasty:
            hasty.sendall(header + f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
            assert model.is_asked.wait(60)
        running.wait_until(lambda: not running.server.server_state.connections)
        model.may_answer.set()
        running.wait_until(lambda: running.service.taken == 0)
        windows = windows_of(running.service.metrics.text()[0])
    assert windows <= 5  # of 591: those of the piece in which it left


def test_files_that_are_slow_to_decode_hold_up_no_stream_and_no_shutdown(
    classifier: OnnxClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_go_on = threading.Event()

    class Stuck(FileSource):
        """Stands for minutes in one step of a decoder."""

        def __iter__(self) -> Iterator[AudioChunk]:
            assert may_go_on.wait(120)
            return super().__iter__()

    monkeypatch.setattr(uploads, "FileSource", Stuck)
    content, most = DEMO.read_bytes(), 3
    with serving(classifier, ServerLimits(max_uploads=most), workers=1) as running:
        url = running.http("/v1/classify?vad=false&timeout_s=1")
        for _ in range(most):
            assert httpx.post(url, content=content, timeout=60).status_code == 504
        assert running.service.upload_threads.abandoned == most
        full = httpx.post(url, content=content, timeout=60)
        assert (full.status_code, full.json()["code"]) == (503, "server_full")
        events = Client(running.ws, vad=False).stream(make_wave(3.0), sample_rate=RATE)
        assert len(list(events)) == 5
        may_go_on.set()
        running.wait_until(lambda: not running.service.upload_threads.abandoned)
        url = url.replace("timeout_s=1", "timeout_s=60")
        assert httpx.post(url, content=content, timeout=60).status_code == 200
        may_go_on.clear()
        hasty = url.replace("timeout_s=60", "timeout_s=1")
        assert httpx.post(hasty, content=content, timeout=60).status_code == 504
    assert not may_go_on.is_set()  # it has ended, and one still stands there
    may_go_on.set()


def windows_of(metrics: bytes) -> float:
    """Return how many windows were classified so far."""
    lines = (line.split() for line in metrics.decode().splitlines())
    return sum(float(line[1]) for line in lines if line[0].startswith("ser_windows_total"))
