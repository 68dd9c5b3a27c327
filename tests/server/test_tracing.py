"""Traces of sessions: the spans of a stream and of an upload, and how they leave the server."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from opentelemetry.sdk import trace as sdk
from opentelemetry.sdk.trace import export
from opentelemetry.sdk.trace.export import in_memory_span_exporter as memory
from websockets.sync.client import connect

from ser_rt.errors import ConfigError
from ser_rt.runtime.backends.onnx_classifier import OnnxClassifier
from ser_rt.runtime.event import EmotionEvent
from ser_rt.server import tracing
from ser_rt.server.cli import parse
from ser_rt.server.service import Service
from ser_rt.server.tracing import UNTRACED, SessionTrace, Tracing, make_tracing
from tests.server.conftest import Running, finished, pcm, receive, rest, serving
from tests.support.source_tree import ROOT, imports

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Traced(NamedTuple):
    running: Running
    exporter: Any

    def spans(self) -> list[Any]:
        """Return the spans of the session that has ended, the session's own last."""
        self.running.wait_until(lambda: not self.running.service.taken)
        found = list(self.exporter.get_finished_spans())
        self.exporter.clear()
        return found


@contextmanager
def traced(model: OnnxClassifier) -> Iterator[Traced]:
    exporter = memory.InMemorySpanExporter()
    provider = sdk.TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(export.SimpleSpanProcessor(exporter))
    with serving(model, tracing=Tracing(provider)) as running:
        yield Traced(running, exporter)


@pytest.fixture(scope="module")
def server(classifier: OnnxClassifier) -> Iterator[Traced]:
    with traced(classifier) as found:
        yield found


def test_a_stream_is_a_session_with_its_results_and_their_parts(server: Traced) -> None:
    headers = {"traceparent": PARENT}
    with connect(server.running.ws, additional_headers=headers) as socket:
        socket.send('{"type": "config", "sample_rate": 16000, "live": true}')
        session = receive(socket)["session"]
        socket.send(pcm(2.0))
        messages, _, _ = finished(socket)
    *spans, whole = server.spans()
    assert whole.name == "stream"
    assert whole.parent.span_id == int(PARENT.split("-")[2], 16)
    assert whole.attributes["ser.session"] == session
    assert whole.attributes["ser.close_code"] == 1000
    results = [span for span in spans if span.parent.span_id == whole.context.span_id]
    sent = [m for m in messages if m["type"] in ("emotion", "no_speech")]
    assert [span.name for span in results] == [message["type"] for message in sent]
    assert whole.attributes["ser.results"] == len(sent) > 2
    for span, message in zip(results, sent, strict=True):
        assert span.attributes["ser.end_s"] == message["end"]
        parts = [one for one in spans if one.parent.span_id == span.context.span_id]
        assert "gate" in {one.name for one in parts}
        assert ("inference" in {one.name for one in parts}) is (message["type"] == "emotion")
        assert all(span.start_time <= one.start_time <= one.end_time for one in parts)
        assert span.end_time >= max(one.end_time for one in parts)
    assert {"decode", "queue"} <= {span.name for span in spans}
    assert {span.context.trace_id for span in spans} == {int(PARENT.split("-")[1], 16)}


def test_an_upload_is_a_session_too(server: Traced, speech: Path) -> None:
    url = server.running.http("/v1/classify?vad=false")
    answer = httpx.post(url, content=speech.read_bytes(), timeout=60)
    assert answer.status_code == 200
    *spans, whole = server.spans()
    assert (whole.name, whole.parent) == ("classify", None)
    assert {"decode", "gate", "inference"} <= {span.name for span in spans}
    assert whole.attributes["ser.inference_ms"] > 0


def test_a_failure_is_in_its_span(server: Traced) -> None:
    httpx.post(server.running.http("/v1/classify"), content=b"no audio at all" * 9)
    with connect(server.running.ws) as socket:
        socket.send("none of the protocol")
        rest(socket)
    for whole, code in zip(server.spans(), ("bad_audio", "bad_json"), strict=True):
        assert whole.attributes["ser.error"] == code
        assert whole.status.status_code.name == "ERROR"


def test_a_long_session_has_few_spans_and_all_totals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracing, "MOST_RESULTS", 2)
    exporter = memory.InMemorySpanExporter()
    provider = sdk.TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(export.SimpleSpanProcessor(exporter))
    latency = {"total": 3.0, "queue": 1.0, "inference": 2.0}
    with Tracing(provider).session("stream", {}) as trace:
        assert isinstance(trace, SessionTrace)
        for seq in range(5):
            trace.result(
                EmotionEvent(
                    seq=seq, start=0, end=1, emotion="Joy", confidence=1, latency_ms=latency
                )
            )
    *spans, whole = exporter.get_finished_spans()
    assert [span.name for span in spans].count("emotion") == 2
    assert whole.attributes is not None
    assert (whole.attributes["ser.results"], whole.attributes["ser.inference_ms"]) == (5, 10.0)


def test_spans_go_where_the_variables_say(monkeypatch: pytest.MonkeyPatch) -> None:
    requests: queue.Queue[tuple[str, bytes]] = queue.Queue()

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            requests.put((self.path, self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Collector) as collector:
        threading.Thread(target=collector.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{collector.server_port}"
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", address)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "none")
        monkeypatch.setenv("OTEL_SERVICE_NAME", "emotions-of-calls")
        made = make_tracing()
        with made.session("stream", {}):
            pass
        made.close()
        path, body = requests.get(timeout=60)
        collector.shutdown()
    assert path == "/v1/traces"
    assert b"emotions-of-calls" in body


def test_a_bad_variable_is_an_error_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "-1")
    with pytest.raises(ConfigError, match="OTEL"):
        make_tracing()


def test_nothing_of_it_is_loaded_unasked(classifier: OnnxClassifier) -> None:
    assert parse([]).traces is False
    paths = (ROOT / "ser_rt").rglob("*.py")
    [path] = [path for path in paths if "from opentelemetry" in path.read_text(encoding="utf-8")]
    assert all(
        one.lazy for one in imports("ser_rt.server.tracing", path) if one.top == "opentelemetry"
    )
    with Service(classifier).trace("stream", {}) as trace:
        assert trace is UNTRACED
