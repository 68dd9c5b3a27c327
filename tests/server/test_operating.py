"""What an operator relies on: settings from file and environment, logs, keys that change."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from ser_rt.bundle import write_profile
from ser_rt.errors import ConfigError
from ser_rt.profiles import Profile, profile_of
from ser_rt.runtime.backends.onnx_classifier import OnnxClassifier
from ser_rt.runtime.settings import StreamSettings
from ser_rt.server import healthcheck
from ser_rt.server.app import make_app
from ser_rt.server.auth import Guard, read_keys
from ser_rt.server.cli import build, parse
from ser_rt.server.logs import JsonFormatter, logged_as
from ser_rt.server.service import Service
from tests.server.conftest import Running, serving

KEY, OTHER = "a-key-of-sixteen-letters", "another-key-of-sixteen"


def test_flags_win_over_the_environment_and_that_over_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "serve.toml").write_text(
        'port = 1000\nmax_streams = 5\nlog-level = "error"\ncors_origin = ["https://a.example"]\n'
    )
    monkeypatch.setenv("SER_SERVE_CONFIG", str(tmp_path / "serve.toml"))
    monkeypatch.setenv("SER_SERVE_PORT", "2000")
    monkeypatch.setenv("SER_SERVE_ALLOWED_HOST", "a.example, b.example")
    monkeypatch.setenv("SER_SERVE_INSECURE", "false")
    monkeypatch.setenv("SER_SERVE_STREAMING", "no")
    found = parse(["--log-level", "debug"])
    assert (found.port, found.max_streams, found.log_level) == (2000, 5, "debug")
    assert found.allowed_host == ["a.example", "b.example"]
    assert found.cors_origin == ["https://a.example"]
    assert (found.insecure, found.streaming) == (False, False)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("SER_SERVE_PROT", "1", "SER_SERVE_PROT is no setting"),
        ("SER_SERVE_INSECURE", "perhaps", "true or false"),
    ],
)
def test_a_wrong_variable_is_named(
    name: str, value: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=words):
        parse([])


def test_a_wrong_key_of_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "serve.toml").write_text("prot = 1\n")
    with pytest.raises(ConfigError, match="unknown key 'prot'"):
        parse(["--config", str(tmp_path / "serve.toml")])


def test_a_file_of_ser_tune_is_one_of_the_server(tmp_path: Path, tiny_bundle: Path) -> None:
    bundle = shutil.copytree(tiny_bundle, tmp_path / "bundle")
    calm = Profile(half_life_s=2.0, unsure=0.2, enter=0.1)
    write_profile(bundle, "calm", calm, {})
    tuned = Profile(half_life_s=1.5, enter=0.4, gate_threshold=0.2, hop_s=0.25)
    (tmp_path / "tuned.toml").write_text(tuned.to_toml(), "utf-8")
    base = ["--model", str(bundle)]
    given = [*base, "--config", str(tmp_path / "tuned.toml"), "--hold", "1"]
    model = build(parse(given)).service.model
    assert profile_of(model) == replace(tuned, hold_s=1.0)
    assert StreamSettings().windows_for(model).hop_s == 0.25
    both = build(parse([*given, "--profile", "calm"])).service.model
    assert profile_of(both) == replace(tuned, hold_s=1.0, unsure=0.2)
    assert profile_of(build(parse([*base, "--profile", "calm"])).service.model) == calm
    with pytest.raises(ConfigError, match="unsure"):
        build(parse([*base, "--unsure", "7"]))
    with pytest.raises(ConfigError, match="'clam'"):
        build(parse([*base, "--profile", "clam", "--hold", "1"]))


def test_the_health_check_knows_the_port_of_the_environment(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SER_SERVE_PORT", str(running.port))
    assert healthcheck.main([]) == 0


def test_a_line_of_json_has_the_ids() -> None:
    record = logging.LogRecord("ser_rt.server", logging.INFO, "", 1, "stream %s", ("x",), None)
    with logged_as(session="abc"), logged_as(request="def"):
        line = json.loads(JsonFormatter().format(record))
    assert line.items() >= {
        "level": "info", "message": "stream x", "session": "abc", "request": "def",
    }.items()  # fmt: skip
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+\+00:00", line["time"])
    assert "session" not in json.loads(JsonFormatter().format(record))


def test_requests_have_ids_are_counted_and_logged_without_their_keys(
    classifier: OnnxClassifier, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "ser_rt.server.access")
    service = Service(classifier)
    app = make_app(service, Guard([KEY]), metrics_guard=Guard([OTHER]), access_log=True)
    try:

        async def ask(path: str, **headers: str) -> httpx.Response:
            transport = httpx.ASGITransport(app=app)
            async with httpx.AsyncClient(transport=transport, base_url="http://x") as one:
                return await one.get(path, headers=headers)

        found = asyncio.run(ask(f"/v1/models?token={KEY}", **{"X-Request-ID": "mine.1"}))
        assert (found.status_code, found.headers["x-request-id"]) == (200, "mine.1")
        assert asyncio.run(ask(f"/metrics?token={KEY}")).status_code == 401
        assert asyncio.run(ask("/none")).status_code == 404
        assert asyncio.run(ask(f"/v1/twilio/{KEY}")).status_code == 404
        text = asyncio.run(ask(f"/metrics?token={OTHER}")).text
    finally:
        service.close()
    assert 'ser_requests_total{path="/v1/models",status="200"} 1.0' in text
    assert 'ser_requests_total{path="/metrics",status="401"} 1.0' in text
    assert 'ser_requests_total{path="other",status="404"} 2.0' in text
    assert "ser_streams_max 64.0" in text
    assert "/v1/models 200" in caplog.text
    assert "/v1/twilio/... 404" in caplog.text
    assert KEY not in caplog.text


def test_a_key_of_another_owner_for_our_group_is_no_reason_to_warn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    keys = tmp_path / "keys"
    keys.write_text(KEY)
    keys.chmod(0o440)
    read_keys(keys)
    assert "chmod 600" in caplog.text
    caplog.clear()
    monkeypatch.setattr(os, "getuid", lambda: keys.stat().st_uid + 1)
    read_keys(keys)
    assert caplog.text == ""
    keys.chmod(0o444)
    read_keys(keys)
    assert "chmod 600" in caplog.text


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="no such signal")
def test_keys_are_read_again_at_sighup(tiny_bundle: Path, tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text(KEY)
    keys.chmod(0o600)
    command = [sys.executable, "-m", "ser_rt.server", "--model", str(tiny_bundle), "--port=0"]
    command += ["--api-key-file", str(keys), "--log-format", "json"]
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as server:
        assert server.stderr is not None
        lines = (json.loads(line) for line in server.stderr)
        line = next(one for one in lines if "listening" in one["message"])
        url = line["message"].split()[-1] + "v1/models"

        def status(key: str) -> int:
            return httpx.get(url, headers={"Authorization": f"Bearer {key}"}).status_code

        assert (status(KEY), status(OTHER)) == (200, 401)
        keys.write_text("short")
        server.send_signal(signal.SIGHUP)
        assert "stay as they were" in next(lines)["message"]
        assert status(KEY) == 200
        keys.write_text(OTHER)
        server.send_signal(signal.SIGHUP)
        assert "read again" in next(lines)["message"]
        assert (status(KEY), status(OTHER)) == (401, 200)
        server.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + 60
        while server.poll() is None and time.monotonic() < deadline:
            next(lines, None)
        assert server.wait(10) == 0


def test_a_stream_logs_under_its_session(
    classifier: OnnxClassifier, caplog: pytest.LogCaptureFixture
) -> None:
    formatter = JsonFormatter()
    seen: list[dict[str, str]] = []

    class Keeper(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            seen.append(json.loads(formatter.format(record)))

    caplog.set_level(logging.INFO, "ser_rt.server")
    handler = Keeper()
    logging.getLogger("ser_rt.server").addHandler(handler)
    try:
        with serving(classifier) as server, server.stream():
            pass
    finally:
        logging.getLogger("ser_rt.server").removeHandler(handler)
    ended = next(line for line in seen if "ended" in line["message"])
    assert re.fullmatch("[0-9a-f]{16}", ended["session"])
