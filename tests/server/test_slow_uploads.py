"""Uploads that stall or that nobody waits for, and a cluster that does not classify them."""

from __future__ import annotations

import io

import httpx
import numpy as np
import pytest
import soundfile

from ser_rt.classifier import FloatArray
from ser_rt.errors import ClusterError
from ser_rt.runtime.backends.onnx_classifier import OnnxClassifier
from ser_rt.server import service
from ser_rt.server.limits import ServerLimits
from tests.conftest import RATE
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


def windows_of(metrics: bytes) -> float:
    """Return how many windows were classified so far."""
    lines = (line.split() for line in metrics.decode().splitlines())
    return sum(float(line[1]) for line in lines if line[0].startswith("ser_windows_total"))
