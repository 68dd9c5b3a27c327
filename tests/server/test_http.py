"""Files, and what else is asked over HTTP."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

import ser_rt
from ser_rt.audio.decoding.decoders import open_audio
from ser_rt.errors import AudioDecodeError
from ser_rt.runtime.backends.onnx_classifier import OnnxClassifier
from ser_rt.server.limits import ServerLimits
from ser_rt.server.protocol import check
from ser_rt.server.service import Service
from tests.conftest import RATE, make_wave
from tests.server.conftest import Running, raw_connection, serving

Writer = Callable[..., Path]


def classify(running: Running, content: bytes, **query: Any) -> httpx.Response:
    query = {"vad": "false"} | query
    return httpx.post(running.http("/v1/classify"), content=content, params=query, timeout=60)


def refused(response: httpx.Response, status: int, code: str, words: str = "") -> None:
    body = response.json()
    check(body, "error", "internal")
    assert (response.status_code, body["code"]) == (status, code)
    assert words in body["message"]


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg"])
def test_a_file_has_the_results_of_a_stream(
    running: Running, classifier: OnnxClassifier, write_audio: Writer, name: str
) -> None:
    path = write_audio(name, make_wave(4.2, 44_100), 44_100)
    response = classify(running, path.read_bytes(), hop_s=1, episodes="true")
    assert response.status_code == 200
    found = response.json()
    check(found, "classification", "internal")
    events = ser_rt.stream(path, model=classifier, vad=False, hop_s=1.0, episodes=True)
    wanted = [event.to_dict(timing=False) for event in events]
    assert found["events"] == wanted
    assert found["duration_s"] == pytest.approx(4.2, abs=0.1)
    overall = ser_rt.classify(path, model=classifier, vad=False, hop_s=1.0)
    assert found["overall"] == overall.to_dict()


def test_silence_has_no_overall_emotion(running: Running, write_audio: Writer) -> None:
    found = classify(running, write_audio("a.wav", np.zeros(RATE)).read_bytes()).json()
    assert found["overall"] is None
    assert [event["type"] for event in found["events"]] == ["no_speech"]


def test_nothing_is_left_of_a_file(
    running: Running, write_audio: Writer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = write_audio("a.wav", make_wave(2)).read_bytes()
    (scratch := tmp_path / "scratch").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    assert classify(running, content).status_code == 200
    refused(classify(running, b"no audio at all"), 422, "bad_audio")
    refused(classify(running, content[: len(content) // 2]), 422, "bad_audio", "the file is trunc")
    assert list(scratch.iterdir()) == []


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"hop": 1}, "no setting 'hop'; there are window_s"),
        ({"model": "/etc"}, "no setting 'model'"),
        ({"hop_s": "fast"}, "hop_s: 'fast' is not of type 'number'"),
        ({"hop_s": "nan"}, "hop"),
        ({"window_s": "inf"}, "window_s"),
        ({"vad": "maybe"}, "vad: 'maybe' is not of type 'boolean'"),
        ({"window_s": 1, "hop_s": 2}, "longer"),
    ],
)
def test_a_wrong_setting(
    running: Running, write_audio: Writer, query: dict[str, Any], words: str
) -> None:
    content = write_audio("a.wav", make_wave(1)).read_bytes()
    refused(classify(running, content, **query), 400, "bad_request", words)


def test_requests_without_a_file(running: Running) -> None:
    refused(classify(running, b""), 422, "no_audio")
    refused(httpx.get(running.http("/v1/classify")), 405, "method_not_allowed")
    refused(httpx.get(running.http("/v1/nothing")), 404, "not_found")
    refused(httpx.get(running.http("/static/../app.py")), 404, "not_found")
    refused(httpx.get(running.http("/static/%2e%2e/app.py")), 404, "not_found")


def test_formats_of_strangers_name_no_other_files(write_audio: Writer) -> None:
    playlist = write_audio("secret.wav", make_wave(2)).with_name("upload")
    playlist.write_text("ffconcat version 1.0\nfile 'secret.wav'\n", encoding="utf-8")
    with pytest.raises(AudioDecodeError):
        open_audio(playlist)


def test_playlists_open_nothing_else(running: Running, write_audio: Writer) -> None:
    target = write_audio("secret.wav", make_wave(2))
    playlist = f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{target}\n#EXT-X-ENDLIST\n"
    for content in (playlist, f"ffconcat version 1.0\nfile '{target}'\n"):
        refused(classify(running, content.encode()), 422, "bad_audio")


def test_limits_of_files(classifier: OnnxClassifier, write_audio: Writer) -> None:
    limits = ServerLimits(max_upload_bytes=200_000, max_audio_s=10.0, max_streams=1)
    with serving(classifier, limits) as running:
        refused(classify(running, bytes(300_000)), 413, "upload_too_big", "200000 bytes")
        # A bomb: little to send, much to classify.
        silence = write_audio("bomb.flac", np.zeros(RATE * 3_600, np.int16))
        assert silence.stat().st_size < 200_000
        refused(classify(running, silence.read_bytes()), 413, "audio_too_long", "10 s")
        running.call(lambda: setattr(running.service, "taken", 1))
        full = classify(running, b"x")
        refused(full, 503, "server_full")
        assert full.headers["retry-after"]
        refused(httpx.get(running.http("/readyz")), 503, "server_full")
        running.call(lambda: setattr(running.service, "taken", 0))


def test_uploads_leave_streams_free_and_the_disk(
    classifier: OnnxClassifier, write_audio: Writer
) -> None:
    content = write_audio("a.wav", make_wave(1)).read_bytes()
    with serving(classifier, ServerLimits(max_uploads=1)) as running:
        with raw_connection(running) as slow:
            slow.sendall(
                b"POST /v1/classify HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9\r\n\r\nRIFF"
            )
            running.wait_until(lambda: running.service.taken == 1)
            refused(classify(running, content), 503, "server_full", "all 1 uploads")
            assert httpx.get(running.http("/readyz")).status_code == 200
        running.wait_until(lambda: running.service.taken == 0)
        assert classify(running, content).status_code == 200
        counted = running.service.metrics.text()[0].decode()
    assert 'ser_refused_total{code="server_full"} 1.0' in counted


def test_health_readiness_and_models(running: Running) -> None:
    assert httpx.get(running.http("/healthz")).json() == {"status": "ok"}
    ready = httpx.get(running.http("/readyz"))
    assert ready.json()["status"] == "ready"
    models = httpx.get(running.http("/v1/models")).json()
    check(models, "models", "internal")
    assert models["models"][0]["name"] == "tiny"
    assert models["models"][0]["licence"] == {"weights": "MIT"}


def test_not_ready_before_the_model_is_warm(classifier: OnnxClassifier) -> None:
    service = Service(classifier)
    try:
        refusal = service.refusal()
        assert refusal is not None
        assert refusal.code == "not_ready"
    finally:
        service.close()


def test_metrics_are_what_prometheus_reads(running: Running, write_audio: Writer) -> None:
    def numbers() -> dict[str, float]:
        text = httpx.get(running.http("/metrics")).text
        return {
            sample.name + "".join(sorted(sample.labels.values())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    before = numbers()
    classify(running, write_audio("a.wav", make_wave(2.0)).read_bytes())
    after = numbers()
    assert after["ser_model_info1.0cpufp32tiny"] == 1
    assert after["ser_windows_totalemotion"] - before.get("ser_windows_totalemotion", 0) == 3
    assert after["ser_inference_seconds_count"] - before["ser_inference_seconds_count"] == 3
    assert after["ser_batch_windows_sum"] - before["ser_batch_windows_sum"] == 3
    assert after["ser_latency_seconds_count"] - before["ser_latency_seconds_count"] == 3
    processed_s = after["ser_audio_seconds_total"] - before["ser_audio_seconds_total"]
    assert processed_s == pytest.approx(2.0)
    assert (after["ser_streams"], after["ser_queue_windows"]) == (0, 0)


def test_the_description_for_tools_is_whole(running: Running) -> None:
    found = httpx.get(running.http("/openapi.json")).json()
    assert found["openapi"].startswith("3.1")
    served = {"/v1/classify", "/v1/models", "/healthz", "/readyz", "/metrics"}
    assert found["paths"].keys() == served

    def resolve(node: Any) -> None:
        if isinstance(node, dict):
            if "$ref" in node:
                *_, name = node["$ref"].split("/")
                assert node["$ref"] == f"#/components/schemas/{name}"
                assert name in found["components"]["schemas"]
            for value in node.values():
                resolve(value)
        elif isinstance(node, list):
            for value in node:
                resolve(value)

    resolve(found)
    operations = [way for path in found["paths"].values() for way in path.values()]
    assert all(way["responses"] and way["operationId"] and way["summary"] for way in operations)
    json.dumps(found, allow_nan=False)
