"""The process: how it starts, what it refuses, and how it ends."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from websockets.sync.client import connect

from ser_rt.classifier import FloatArray
from ser_rt.errors import InferenceError
from ser_rt.runtime.backends.onnx_classifier import OnnxClassifier
from ser_rt.server import healthcheck as health
from ser_rt.server.app import make_app
from ser_rt.server.cli import build, main, make_parser, parse
from ser_rt.server.limits import ServerLimits
from ser_rt.server.service import Service
from ser_rt.server.transport import make_server
from tests.conftest import RATE
from tests.server.conftest import CONFIG, DEMO, FlawedModel, HeldModel, pcm, receive, rest, serving
from tests.support.source_tree import ROOT
from tests.support.waiting import until


@contextmanager
def process(*flags: str, before: Sequence[str] = ()) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Run the command on a free port until it is ready."""
    command = ["env", *before, sys.executable, "-m", "ser_rt.server", "--port=0", *flags]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=ROOT) as found:
        assert found.stderr is not None
        try:
            for line in found.stderr:
                if "listening at" in line:
                    port = int(line.rstrip("/\n").rpartition(":")[2])
                    while httpx.get(f"http://127.0.0.1:{port}/readyz").status_code == 503:
                        pass
                    yield found, port
                    return
            pytest.fail("it does not listen")
        finally:
            found.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_streams_with_their_results(
    tiny_bundle: Path, number: signal.Signals
) -> None:
    with process("--model", str(tiny_bundle)) as (server, port):
        address = f"ws://127.0.0.1:{port}/v1/stream"
        with connect(address) as client, connect(address) as silent:
            client.send(json.dumps(CONFIG))
            receive(client)
            client.send(pcm(1.2))
            assert receive(client)["end"] == 1.0
            server.send_signal(number)
            messages, code, _ = rest(client)
            assert rest(silent)[:2] == ([], 1001)  # it never sent its config
        assert [message["type"] for message in messages] == ["emotion", "summary"]
        assert messages[0]["end"] == 1.2
        assert messages[1]["interrupted"] is True
        assert code == 1001
        assert server.wait(60) == 0
        assert server.stderr is not None
        assert "Traceback" not in server.stderr.read()


def test_a_server_that_was_started_to_outlive_its_terminal_does(tiny_bundle: Path) -> None:
    outlive = ["sh", "-c", 'trap "" HUP; exec "$@"', "sh"]
    with process("--model", str(tiny_bundle), before=outlive) as (server, port):
        server.send_signal(signal.SIGHUP)
        assert httpx.get(f"http://127.0.0.1:{port}/healthz").status_code == 200
        server.send_signal(signal.SIGTERM)
        assert server.wait(10) == 0


def test_streams_that_do_not_end_are_ended(tiny_bundle: Path) -> None:
    with process("--model", str(tiny_bundle), "--drain-s=0.5") as (server, port):
        with socket.create_connection(("127.0.0.1", port)) as stuck:
            stuck.sendall(b"GET /v1/stream HTTP/1.1\r\nHost: 127.0.0.1\r\n")
            started = time.monotonic()
            server.send_signal(signal.SIGTERM)
            assert server.wait(60) == 0
        assert time.monotonic() - started < 8


def test_an_upload_has_the_time_to_drain_and_no_more(
    classifier: OnnxClassifier, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        serving(classifier, ServerLimits(drain_s=0.5)) as running,
        socket.create_connection(("127.0.0.1", running.port)) as upload,
    ):
        upload.sendall(b"POST /v1/classify HTTP/1.1\r\nHost: 127.0.0.1\r\n")
        upload.sendall(b"Content-Length: 1000\r\n\r\nRIFF")
        running.wait_until(lambda: running.service.taken == 1)
        running.call(lambda: setattr(running.server, "should_exit", True))
        answer = upload.recv(4096)
    assert answer.startswith(b"HTTP/1.1 503")
    assert "Traceback" not in caplog.text
    assert "1 streams and uploads did not end in time" in caplog.text


def is_closed(service: Service) -> bool:
    try:
        service.batcher.open().offer(np.zeros(RATE, np.float32)).cancel()
    except InferenceError:
        return True
    return False


def test_two_that_start_a_service_warm_it_up_once(classifier: OnnxClassifier) -> None:
    calls = list[tuple[int, ...]]()

    class Counted(FlawedModel):
        def __call__(self, waveforms: FloatArray) -> FloatArray:
            calls.append(waveforms.shape)
            return super().__call__(waveforms)

    async def start() -> Service:
        service = Service(Counted(classifier, float("nan")))
        await asyncio.gather(service.start(), service.start())
        return service

    service = asyncio.run(start())
    service.close()
    assert (service.state, len(calls)) == ("ready", 1)


def test_work_that_meets_the_end_has_its_answer_or_is_told(classifier: OnnxClassifier) -> None:
    model = HeldModel(classifier)
    answered, refused = 3, 4

    async def run() -> list[Any]:
        service = Service(model, workers=1, max_batch=1)  # which makes three threads
        stream = service.batcher.open()
        model.hold()

        def ask() -> asyncio.Task[Any]:
            window = np.zeros((1, RATE), np.float32)
            return asyncio.create_task(service.in_thread(lambda: stream(window)))

        asked = [ask() for _ in range(answered + 2)]  # two wait for a thread
        await asyncio.to_thread(model.is_asked.wait, 10)
        await until(lambda: service.batcher.waiting == answered - 1)
        closing = asyncio.create_task(asyncio.to_thread(service.close))
        await until(lambda: is_closed(service))
        asked.append(ask())
        model.may_answer.set()
        await closing
        asked.append(ask())
        return await asyncio.gather(*asked, return_exceptions=True)

    found = asyncio.run(asyncio.wait_for(run(), 60))
    assert [np.shape(answer) for answer in found[:answered]] == [(1, 6)] * answered
    assert [getattr(error, "code", error) for error in found[answered:]] == (
        ["shutting_down"] * refused
    )


def test_a_stream_that_meets_the_end_is_told_and_is_no_fault(
    classifier: OnnxClassifier, caplog: pytest.LogCaptureFixture
) -> None:
    model = HeldModel(classifier)
    with serving(model) as running, running.stream() as client:
        model.hold()
        client.send(pcm(10))
        assert model.is_asked.wait(60)
        closing = threading.Thread(target=running.service.close)
        closing.start()
        running.wait_until(lambda: is_closed(running.service))
        model.may_answer.set()
        messages, code, _ = rest(client)
        closing.join()
        answer = httpx.post(running.http("/v1/classify"), content=DEMO.read_bytes())
    assert [message for message in messages if message["type"] == "error"] == []
    assert code == 1001
    assert (answer.status_code, answer.json()["code"]) == (503, "shutting_down")
    assert "Traceback" not in caplog.text


def test_a_server_that_shuts_down_takes_no_more(classifier: OnnxClassifier) -> None:
    with serving(classifier) as running:
        running.call(lambda: setattr(running.service, "state", "shutting_down"))
        answer = httpx.get(running.http("/readyz"))
        assert (answer.status_code, answer.json()["code"]) == (503, "shutting_down")
        running.call(lambda: setattr(running.service, "state", "ready"))


def test_a_model_that_does_not_work_ends_the_server(classifier: OnnxClassifier) -> None:
    service = Service(FlawedModel(classifier, 0.0))
    server = make_server(make_app(service), service, port=0)
    asyncio.run(asyncio.wait_for(server.serve(), 60))
    assert isinstance(service.failure, InferenceError)
    assert service.state != "ready"


@pytest.mark.parametrize(
    ("flags", "code", "words"),
    [
        (["--host=0.0.0.0"], 2, "--insecure"),
        (["--host=example.org"], 2, "open to others"),
        (["--tls-cert=x"], 2, "--tls-key"),
        (["--tls-cert=no.pem", "--tls-key=no.pem"], 2, "no file no.pem"),
        (["--api-key-file=none"], 2, "--api-key-file none cannot be read"),
        (["--port=70000"], 2, "--port"),
        (["--tls-cert=README.md", "--tls-key=README.md"], 2, "no certificate"),
        (["--allowed-host=a*b"], 2, "--allowed-host"),
        (["--proxy=proxy.example"], 2, "--proxy"),
        (["--proxy=*"], 2, "--proxy"),
        (["--root-path=ser"], 2, "--root-path"),
        (["--root-path=/ser?x"], 2, "--root-path"),
        (["--cors-origin=friend"], 2, "--cors-origin"),
        (["--cors-origin=https://friend.example/page"], 2, "--cors-origin"),
        (["--max-streams=0"], 2, "max_streams"),
        (["--idle-timeout-s=nan"], 2, "idle_timeout_s"),
        (["--max-batch=0"], 2, "max_batch"),
        (["--workers=0"], 2, "workers"),
        (["--max-wait-ms=-1"], 2, "max_wait_s must be 0 or more"),
        (["--model=nowhere"], 1, "nowhere"),
        (["--threads=0"], 2, "threads"),
    ],
)
def test_a_mistake_is_one_line(
    capsys: pytest.CaptureFixture[str], flags: list[str], code: int, words: str
) -> None:
    assert main([*flags, "--log-level=error"]) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert err.startswith("ser-serve: ")
    assert words in err


def test_a_port_that_is_taken_is_said(
    classifier: OnnxClassifier, tiny_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(classifier) as running:
        port = running.port
        assert main(["--model", str(tiny_bundle), f"--port={port}"]) == 1
    assert f"cannot listen at 127.0.0.1 port {port}" in capsys.readouterr().err


def test_flags_reach_the_server(tiny_bundle: Path, tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text("a-key-of-more-than-16\n", encoding="utf-8")
    keys.chmod(0o600)
    flags = ["--model", str(tiny_bundle), "--host=0.0.0.0", "--api-key-file", str(keys)]
    flags += ["--max-streams=3", "--max-message-bytes=1000", "--max-batch=4", "--port=1234"]
    server = build(parse(flags))
    try:
        assert server.service.limits.max_streams == 3
        assert server.config.ws_max_size == 1000
        assert (server.config.host, server.config.port) == ("0.0.0.0", 1234)  # noqa: S104 (what the test gives)
    finally:
        server.service.close()


def test_every_flag_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    help_text = capsys.readouterr().out
    for action in make_parser()._actions:
        assert action.help
        assert all(option in help_text for option in action.option_strings)


def test_health_is_asked_over_http_and_no_proxy(
    classifier: OnnxClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with serving(classifier) as running:
        port = str(running.port)
        assert health.main([port]) == 0
    assert health.main([port]) == 1
