"""Keys, origins, names, headers, TLS: who may use the server."""

from __future__ import annotations

import json
import logging
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from ser_rt.errors import ConfigError
from ser_rt.runtime.backends.onnx_classifier import OnnxClassifier
from ser_rt.server.auth import read_keys
from ser_rt.server.protocol import check
from tests.server.conftest import CONFIG, Running, pcm, raw_connection, receive, serving
from tests.support.programs import needs

KEY, OTHER_KEY = "a-key-of-more-than-16", "another-key-of-the-same"
FRIEND = "https://friend.example"


@pytest.fixture(scope="module")
def locked(classifier: OnnxClassifier) -> Iterator[Running]:
    with serving(classifier, keys=(KEY, OTHER_KEY), origins=(FRIEND,)) as found:
        yield found


def status_of(running: Running, query: str = "", **headers: str) -> int:
    """Return how the server answers a WebSocket handshake."""
    try:
        with connect(running.ws + query, additional_headers=headers):
            return 101
    except InvalidStatus as refused:
        body = json.loads(refused.response.body or b"")
        check(body, "error", "internal")
        return refused.response.status_code


@pytest.mark.parametrize(
    ("query", "headers", "status"),
    [
        ("", {}, 401),
        ("", {"Authorization": f"Bearer {KEY}"}, 101),
        ("", {"Authorization": f"bearer  {OTHER_KEY}"}, 101),
        ("", {"Authorization": f"Basic {KEY}"}, 401),
        ("", {"Authorization": "Bearer "}, 401),
        ("", {"Authorization": f"Bearer {KEY[:-1]}"}, 401),
        ("", {"Authorization": f"Bearer {KEY}x"}, 401),
        (f"?token={KEY}", {}, 101),
        (f"?token={KEY[1:]}", {}, 401),
        ("?token=%C3%A9%FF", {}, 401),
        (f"?token={KEY}", {"Origin": FRIEND}, 101),
        (f"?token={KEY}", {"Origin": "https://evil.example"}, 403),
        (f"?token={KEY}", {"Origin": "null"}, 403),
        (f"?token={KEY}", {"Origin": FRIEND + ".evil.example"}, 403),
        (f"?token={KEY}", {"Origin": "http://["}, 403),
    ],
)
def test_who_may_stream(locked: Running, query: str, headers: dict[str, str], status: int) -> None:
    assert status_of(locked, query, **headers) == status


def test_the_own_page_may_stream(running: Running) -> None:
    own = f"127.0.0.1:{running.port}"
    assert status_of(running, Origin=f"http://{own}") == 101
    assert status_of(running, Origin="http://127.0.0.1:1") == 403


@pytest.mark.parametrize("path", ["/v1/models", "/metrics"])
def test_what_needs_a_key(locked: Running, path: str) -> None:
    refused = httpx.get(locked.http(path))
    assert (refused.status_code, refused.json()["code"]) == (401, "unauthorized")
    assert refused.headers["www-authenticate"] == "Bearer"
    right = {"Authorization": f"Bearer {KEY}"}
    assert httpx.get(locked.http(path), headers=right).status_code == 200
    posted = httpx.post(locked.http("/v1/classify"), content=b"x")
    assert posted.status_code == 401


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_what_needs_none(locked: Running, path: str) -> None:
    assert httpx.get(locked.http(path)).status_code == 200


def test_other_sites_read_nothing_unless_named(locked: Running, running: Running) -> None:
    headers = {"Origin": FRIEND, "Authorization": f"Bearer {KEY}"}
    named = httpx.get(locked.http("/v1/models"), headers=headers)
    assert named.headers["access-control-allow-origin"] == FRIEND
    stranger = httpx.get(running.http("/v1/models"), headers={"Origin": FRIEND})
    assert stranger.status_code == 403
    assert "access-control-allow-origin" not in stranger.headers


def test_a_name_that_leads_here_is_not_enough(running: Running) -> None:
    # DNS rebinding: a page of evil.example that has this machine's address.
    for path in ("/readyz", "/v1/models"):
        answer = httpx.get(running.http(path), headers={"Host": f"evil.example:{running.port}"})
        assert answer.status_code == 400
    with pytest.raises(InvalidStatus):
        connect(running.ws, additional_headers={"Host": "evil.example"}).close()


def test_answers_carry_the_headers_of_a_careful_page(running: Running) -> None:
    for path in ("/", "/readyz", "/v1/nothing", "/v1/models"):
        headers = httpx.get(running.http(path)).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert "server" not in headers


def test_neither_keys_nor_audio_are_logged(
    classifier: OnnxClassifier, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with serving(classifier, keys=(KEY,)) as running:
        status_of(running, f"?token={KEY}")
        status_of(running, f"?token={KEY}x")
        httpx.get(running.http(f"/v1/models?token={KEY}"))
        with connect(f"{running.ws}?token={KEY}") as socket:
            socket.send(json.dumps(CONFIG))
            socket.send(pcm(1.0))
            receive(socket)
    ours = [
        record.getMessage()
        for record in caplog.records
        # The clients of this test log too.
        if record.name.startswith(("ser_rt", "uvicorn"))
    ]
    assert any("stream" in line for line in ours)
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert not any(KEY in line for line in ours)


def test_a_header_without_end_is_cut_off(running: Running) -> None:
    with raw_connection(running) as raw:
        raw.sendall(b"GET /healthz HTTP/1.1\r\nX-Long: " + b"x" * 60_000)
        assert raw.recv(4096).startswith(b"HTTP/1.1 400")


def test_keys_of_a_file(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "keys"
    path.write_text(f"# ours\n\n  {KEY}\n{OTHER_KEY}\n", encoding="utf-8")
    path.chmod(0o644)
    assert read_keys(path) == [KEY, OTHER_KEY]
    assert "chmod 600" in caplog.text
    path.chmod(0o600)
    caplog.clear()
    read_keys(path)
    assert caplog.text == ""
    for text, words in (
        ("# none\n", "holds no key"),
        ("short\n", "less than 16"),
        ("a key of several words\n", "without blanks"),
        ("ein-schlüssel-mit-umlaut\n", "must be ASCII"),
    ):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(ConfigError, match=words):
            read_keys(path)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_keys(tmp_path / "none")


@needs("openssl")
def test_tls(classifier: OnnxClassifier, tmp_path: Path) -> None:
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost"]
    make += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(cert)]
    subprocess.run(make, check=True, capture_output=True)
    context = ssl.create_default_context(cafile=str(cert))
    settings = {"ssl_certfile": str(cert), "ssl_keyfile": str(key)}
    with serving(classifier, uvicorn_settings=settings) as running:
        secure = f"https://127.0.0.1:{running.port}/readyz"
        assert httpx.get(secure, verify=context).status_code == 200
        address = running.ws.replace("ws://", "wss://")
        with connect(address, ssl=context) as socket:
            socket.send(json.dumps(CONFIG))
            assert receive(socket)["type"] == "ready"
