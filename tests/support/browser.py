"""A headless Chromium whose microphone is a wav file, and a server that can be killed."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self
from urllib.parse import urlsplit

import numpy as np
import pytest

from tests.support.programs import missing

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from playwright.sync_api import Browser, Page, Request, WebSocket

FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-device-for-media-stream",
)
START_S = 30.0
SEEN_MS = 60_000
"""How long a test waits for something to be seen."""


class Launch(Protocol):
    """Starts a browser whose microphone plays a wav file."""

    def __call__(self, microphone: str, *, allow: bool = True) -> Browser:
        """Start one.

        Args:
            microphone: Path of the file, played again and again, or once with ``%noloop`` behind.
            allow: Whether a person would allow the microphone.
        """


@contextmanager
def chromium() -> Iterator[Launch]:
    """Give what starts browsers, and end them after; skip where there is none."""
    api = pytest.importorskip("playwright.sync_api", reason="needs the playwright package")
    if (lacking := missing("chromium")) is not None:
        pytest.skip(lacking)
    with api.sync_playwright() as playwright, ExitStack() as stack:

        def launch(microphone: str, *, allow: bool = True) -> Browser:
            flags = [*FLAGS, f"--use-file-for-fake-audio-capture={microphone}"]
            flags += ["--use-fake-ui-for-media-stream"] if allow else []
            browser: Browser = playwright.chromium.launch(
                executable_path=shutil.which("chromium"), args=flags
            )
            stack.callback(browser.close)
            return browser

        yield launch


class Killable:
    """``ser-serve`` in a process of its own, that can be killed and started again."""

    def __init__(self) -> None:
        """Take any free port, and keep it from then on."""
        self._port = 0
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        """Start, and wait until it accepts connections."""
        command = [sys.executable, "-m", "ser_rt.server", "--threads", "1"]
        self._process = subprocess.Popen(
            [*command, "--port", str(self._port)],
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )
        assert self._process.stderr is not None
        lines = []
        for line in self._process.stderr:
            lines.append(line)
            if found := re.search(r"listening at http://[\d.]+:(\d+)", line):
                self._port = int(found[1])
                return self
        pytest.fail(f"the server did not start: {lines}")

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Kill it, as a fault would."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.communicate(timeout=START_S)

    @property
    def address(self) -> str:
        """Where the page is."""
        return f"http://127.0.0.1:{self._port}/"


@dataclass
class Visit:
    """A page that is open, and what came and went."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    sent: bytearray = field(default_factory=bytearray)
    received: list[dict[str, Any]] = field(default_factory=list)
    configs: list[dict[str, Any]] = field(default_factory=list)

    def record_messages(self, socket: WebSocket) -> None:
        """Keep what a WebSocket carries."""
        socket.on("framesent", self._keep_sent)
        socket.on("framereceived", lambda text: self.received.append(json.loads(text)))

    def _keep_sent(self, payload: str | bytes) -> None:
        if isinstance(payload, bytes):
            self.sent += payload
        elif (message := json.loads(payload))["type"] == "config":
            self.configs.append(message)

    def events(self, *types: str) -> list[dict[str, Any]]:
        """Return what was received of some types."""
        return [event for event in self.received if event["type"] in types]

    def audio(self) -> tuple[NDArray[np.float32], int]:
        """Return the samples that were sent, float32 ``[samples]``, and their rate."""
        samples = np.frombuffer(bytes(self.sent), "<i2").astype(np.float32)
        return samples / np.float32(32_768), self.configs[0]["sample_rate"]

    def see(self, selector: str, text: str) -> None:
        """Wait until an element that can be seen holds a text."""
        visible = self.page.locator(selector).filter(has_text=text, visible=True)
        visible.first.wait_for(timeout=SEEN_MS)

    def wait_for_results(self, count: int) -> None:
        """Wait until so many more results have arrived."""
        wanted, until = len(self.events("emotion", "no_speech")) + count, time.monotonic() + 30
        while len(self.events("emotion", "no_speech")) < wanted:
            assert time.monotonic() < until, f"no {count} results within 30 s"
            self.page.wait_for_timeout(50)  # playwright's own way to let messages come in


@contextmanager
def visit(
    browser: Browser, address: str, *, expected: Sequence[str] = (), **settings: Any
) -> Iterator[Visit]:
    """Open a page as a new visitor; fail if it complains or asks anything of another site.

    Args:
        browser: From `chromium`.
        address: Of the page.
        expected: Parts of console errors that the test provokes.
        settings: Of the visitor: ``locale``, ``viewport``, ``color_scheme``, ...
    """
    context = browser.new_context(**({"locale": "en-US"} | settings))
    page = context.new_page()
    it = Visit(page)

    def request(request: Request) -> None:
        it.requests.append(request.url)

    page.on("console", lambda m: it.complaints.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda error: it.complaints.append(str(error)))
    page.on("request", request)
    page.on("websocket", it.record_messages)
    page.goto(address)
    page.locator("#state:not(:empty)").wait_for(timeout=SEEN_MS)
    yield it
    context.close()
    unexpected = [c for c in it.complaints if not any(part in c for part in expected)]
    assert not unexpected
    host = urlsplit(address).netloc
    assert {urlsplit(url).netloc for url in it.requests if not url.startswith("blob:")} == {host}
