"""A server behind a reverse proxy: which it believes, and a root that the proxy takes off."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from ser_rt.runtime.backends.onnx_classifier import OnnxClassifier
from ser_rt.server.cli import build, parse
from tests.server.conftest import serving

OVER_TLS = {"x-forwarded-proto": "https", "x-forwarded-for": "203.0.113.7"}


@pytest.mark.parametrize(
    ("proxies", "scheme"),
    [
        (["127.0.0.1"], "https"),
        (["127.0.0.0/8"], "https"),
        (["10.0.0.5"], "http"),
        (["10.0.0.0/8", "::1"], "http"),
    ],
)
def test_a_proxy_is_believed_if_it_is_named(
    classifier: OnnxClassifier, proxies: list[str], scheme: str
) -> None:
    with serving(classifier, uvicorn_settings={"forwarded_allow_ips": proxies}) as running:
        answer = httpx.get(running.http("/v1/models/"), headers=OVER_TLS)
        assert answer.is_redirect
        assert answer.headers["location"].startswith(f"{scheme}://127.0.0.1")


def test_a_root_that_the_proxy_takes_off(classifier: OnnxClassifier) -> None:
    with serving(classifier, uvicorn_settings={"root_path": "/voice"}) as running:
        assert httpx.get(running.http("/v1/models")).status_code == 200
        assert httpx.get(running.http("/static/app.js")).status_code == 200
        assert 'src="static/app.js"' in httpx.get(running.http("/")).text
        moved = httpx.get(running.http("/v1/models/"))
        assert moved.headers["location"] == running.http("/voice/v1/models")
        described = httpx.get(running.http("/openapi.json")).json()
        assert described["servers"] == [{"url": "/voice"}]
        with running.stream():
            pass


def test_a_page_is_welcome_whose_name_the_proxy_passes_on(classifier: OnnxClassifier) -> None:
    page = {"origin": "https://voice.example:8443"}
    with serving(classifier, hosts=("voice.example",)) as running:
        address = running.http("/v1/models")
        passed = httpx.get(address, headers=page | {"host": "voice.example:8443"})
        assert passed.status_code == 200
        lost = httpx.get(address, headers=page | {"host": "voice.example"})
        assert lost.json()["code"] == "forbidden_origin"


@pytest.mark.parametrize(
    ("flags", "proxies", "root"),
    [
        ([], ["127.0.0.1", "::1"], ""),
        (["--proxy=10.0.0.5", "--root-path=/voice/"], ["10.0.0.5"], "/voice"),
        (["--proxy=10.0.0.0/8", "--proxy=fd00::/8"], ["10.0.0.0/8", "fd00::/8"], ""),
    ],
)
def test_flags_reach_the_server(
    tiny_bundle: Path,
    monkeypatch: pytest.MonkeyPatch,
    flags: list[str],
    proxies: list[str],
    root: str,
) -> None:
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "*")  # nobody's word but the flags'
    server = build(parse(["--model", str(tiny_bundle), *flags]))
    try:
        assert (server.config.forwarded_allow_ips, server.config.root_path) == (proxies, root)
    finally:
        server.service.close()
