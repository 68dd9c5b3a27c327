"""Problems of microphone, server and browser, and the page's messages, in a real browser."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from websockets.sync.client import connect

from ser_rt.server.limits import ServerLimits
from tests.server.conftest import DEMO, Running, receive, serving
from tests.support.browser import Killable, Launch, visit

if TYPE_CHECKING:
    from playwright.sync_api import Browser

KEY = "a-key-of-more-than-sixteen-characters"


def test_denied_permission_is_said_and_a_recording_still_works(
    launch: Launch, server: Running
) -> None:
    with visit(launch("none", allow=False), server.http("/")) as it:
        it.page.click("#listen")
        it.see("#problem", "The microphone is blocked")
        it.see("#state", "Stopped")
        it.page.set_input_files("#file", DEMO)
        it.wait_for_results(1)
        assert not it.page.is_visible("#problem")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        ("navigator.mediaDevices.getUserMedia = refuse('NotFoundError')", "No microphone"),
        ("navigator.mediaDevices.getUserMedia = refuse('NotReadableError')", "Another program"),
        ("Object.defineProperty(window, 'isSecureContext', { value: false })", "over https"),
        ("Object.defineProperty(navigator, 'mediaDevices', { value: undefined })", "cannot record"),
    ],
)
def test_what_keeps_a_microphone_away_is_said_plainly(
    browser: Browser, server: Running, spoil: str, words: str
) -> None:
    refuse = "const refuse = (name) => () => Promise.reject(new DOMException('', name));"
    with visit(browser, server.http("/")) as it:
        it.page.evaluate(f"() => {{ {refuse} {spoil} }}")
        it.page.click("#listen")
        it.see("#problem", words)
        assert it.page.inner_text("#listen") == "Listen"


def test_a_file_without_sound_is_refused_in_words(
    browser: Browser, server: Running, tmp_path: Path
) -> None:
    text = tmp_path / "words.txt"
    text.write_text("no sound in here", encoding="utf-8")
    with visit(browser, server.http("/")) as it:
        it.page.set_input_files("#file", text)
        it.see("#problem", "no sound that the browser can play")


def test_a_lost_server_is_found_again_and_time_goes_on(browser: Browser) -> None:
    server = Killable()
    lost = ["WebSocket connection", "Failed to load resource"]
    with server, visit(browser, server.address, expected=lost) as it:
        it.page.click("#listen")
        it.wait_for_results(2)
        last = it.events("emotion", "no_speech")[-1]
        server.__exit__(None, None, None)
        it.see("#state", "Reconnecting…")
        it.see("#problem", "The server does not answer")
        server.__enter__()
        it.see("#state", "Listening")
        it.wait_for_results(1)
        assert not it.page.is_visible("#problem")
        assert it.configs[-1]["start_s"] > last["end"]
        assert it.events("emotion", "no_speech")[-1]["start"] >= it.configs[-1]["start_s"]


def test_a_full_server_is_said_and_waited_for(browser: Browser, server: Running) -> None:
    full = ["WebSocket connection", "503"]
    with (
        serving(server.service.model, ServerLimits(max_streams=1)) as small,
        visit(browser, small.http("/"), expected=full) as it,
    ):
        with connect(small.ws) as other:
            other.send(json.dumps({"type": "config", "sample_rate": 16_000}))
            assert receive(other)["type"] == "ready"
            it.page.click("#listen")
            it.see("#problem", "The server is full")
            it.see("#state", "Waiting for the server")
        it.see("#state", "Listening")
        assert not it.page.is_visible("#problem")


def test_a_key_leaves_the_address_and_a_wrong_one_is_named(
    browser: Browser, server: Running
) -> None:
    with serving(server.service.model, keys=(KEY,)) as closed:
        with visit(browser, closed.http("/"), expected=["401"]) as it:
            it.see("#problem", "The server wants a key")
        with visit(browser, closed.http("/?token=wrong"), expected=["401"]) as it:
            it.see("#problem", "does not know this key")
            assert "wrong" not in it.page.url
        with visit(browser, closed.http(f"/?token={KEY}")) as it:
            assert KEY not in it.page.url
            it.page.click("#listen")
            it.see("#state", "Listening")
