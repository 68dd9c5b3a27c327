"""A server on a free port of this machine, in a thread, and clients of it."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import soundfile
import soxr
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

import ser_rt
from ser_rt.classifier import FloatArray
from ser_rt.runtime.backends.onnx_classifier import OnnxClassifier
from ser_rt.server.app import make_app
from ser_rt.server.auth import Guard
from ser_rt.server.limits import ServerLimits
from ser_rt.server.protocol import check
from ser_rt.server.service import Service
from ser_rt.server.transport import Server, make_server
from tests.conftest import RATE, make_wave
from tests.support.browser import Launch, chromium
from tests.support.source_tree import ROOT
from tests.support.waiting import until

if TYPE_CHECKING:
    from playwright.sync_api import Browser

DEMO = ROOT / "ser_rt/samples/demo.flac"
Message = dict[str, Any]
CONFIG: Message = {"type": "config", "sample_rate": RATE, "vad": False, "timing": False}


class Address:
    """Where something answers on this machine."""

    port: int

    @property
    def ws(self) -> str:
        return f"ws://127.0.0.1:{self.port}/v1/stream"

    def http(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    @contextmanager
    def stream(self, **changes: Any) -> Iterator[ClientConnection]:
        """Connect; what is sent first is the configuration with changes."""
        with connect(self.ws, compression=None, open_timeout=60) as socket_:
            socket_.send(json.dumps(CONFIG | changes))
            assert receive(socket_)["type"] == "ready"
            yield socket_


class Running(Address):
    """A server that answers."""

    def __init__(self, server: Server, service: Service, loop: asyncio.AbstractEventLoop) -> None:
        self.server, self.service, self.loop = server, service, loop

    def call(self, work: Callable[[], Any]) -> Any:
        """Do something in the server's thread, and wait for it."""

        async def do() -> Any:
            return work()

        return asyncio.run_coroutine_threadsafe(do(), self.loop).result(60)

    def wait_until(self, is_so: Callable[[], bool]) -> None:
        """Wait for something in the server's thread to be so."""
        asyncio.run_coroutine_threadsafe(until(is_so), self.loop).result()


class FlawedModel:
    """A model that fails on windows that begin with a certain sample."""

    def __init__(self, model: OnnxClassifier, flaw: float) -> None:
        self._model, self._flaw = model, np.float32(flaw)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    @property
    def labels(self) -> tuple[str, ...]:
        return self._model.labels

    window_s, hop_s, min_window_s, sample_rate = 3.0, 0.5, 1.0, RATE

    def __call__(self, waveforms: FloatArray) -> FloatArray:
        if (waveforms[:, 0] == self._flaw).any():
            msg = "out of memory"
            raise RuntimeError(msg)
        return self._model(waveforms)


class HeldModel(FlawedModel):
    """A model that can be made to wait before it answers."""

    def __init__(self, model: OnnxClassifier) -> None:
        super().__init__(model, float("nan"))
        self.is_asked, self.may_answer = threading.Event(), threading.Event()
        self.may_answer.set()

    def hold(self) -> None:
        self.is_asked.clear()
        self.may_answer.clear()

    def __call__(self, waveforms: FloatArray) -> FloatArray:
        self.is_asked.set()
        assert self.may_answer.wait(60)
        return super().__call__(waveforms)


@contextmanager
def serving(
    model: Any,
    limits: ServerLimits | None = None,
    *,
    port: int = 0,
    keys: tuple[str, ...] = (),
    origins: tuple[str, ...] = (),
    hosts: tuple[str, ...] = ("127.0.0.1", "localhost"),
    uvicorn_settings: Message | None = None,
    **settings: Any,
) -> Iterator[Running]:
    """Serve a model, as ``ser-serve`` does but for the process."""
    service = Service(model, limits, **settings)
    app = make_app(service, Guard(keys, origins), hosts=hosts)
    server = make_server(app, service, host="127.0.0.1", port=port, **uvicorn_settings or {})
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_until_complete, args=(server.serve(),))
    thread.start()
    running = Running(server, service, loop)
    try:
        running.wait_until(lambda: server.started and service.state == "ready")
        running.port = server.port
        yield running
    finally:
        server.should_exit = True
        thread.join(60)
        assert not thread.is_alive(), "the server does not end"
        loop.close()


@pytest.fixture(scope="session")
def running(classifier: OnnxClassifier) -> Iterator[Running]:
    """One server for all tests that leave it as it is."""
    with serving(classifier) as found:
        yield found


@pytest.fixture
def connected(running: Running) -> Iterator[Callable[..., ClientConnection]]:
    """Connect to that server, as `Address.stream` does."""
    with ExitStack() as opened:
        yield lambda **changes: opened.enter_context(running.stream(**changes))


def receive(socket_: ClientConnection, timeout_s: float = 60.0) -> Message:
    """Return the next message, if it is one of the protocol."""
    message: Message = json.loads(socket_.recv(timeout_s))
    check(message, "server_message", "internal")
    return message


def send(socket_: ClientConnection, *messages: str | bytes | Iterable[bytes]) -> None:
    """Send what the server may close before all of it is there; what it said can still be read."""
    with suppress(ConnectionClosed):
        for message in messages:
            socket_.send(message)


def rest(socket_: ClientConnection, timeout_s: float = 60.0) -> tuple[list[Message], int, str]:
    """Return all messages until the server closes, and code and reason of that."""
    messages = []
    while True:
        try:
            messages.append(receive(socket_, timeout_s))
        except ConnectionClosed as closed:
            if closed.rcvd is None:
                pytest.fail("the connection broke")
            return messages, closed.rcvd.code, closed.rcvd.reason


def finished(socket_: ClientConnection) -> tuple[list[Message], int, str]:
    """Send `close`; return what `rest` does."""
    socket_.send('{"type": "close"}')
    return rest(socket_)


def pcm(seconds: float, seed: int = 0) -> bytes:
    """Return noise as 16-bit samples."""
    return (make_wave(seconds, seed=seed) * 32767).astype(np.int16).tobytes()


def raw_connection(running: Running, timeout_s: float = 60.0) -> socket.socket:
    """Open a bare connection."""
    return socket.create_connection(("127.0.0.1", running.port), timeout=timeout_s)


@pytest.fixture(scope="module")
def launch() -> Iterator[Launch]:
    """What starts browsers."""
    with chromium() as launch:
        yield launch


@pytest.fixture(scope="module")
def browser(launch: Launch, tmp_path_factory: pytest.TempPathFactory) -> Browser:
    """A browser whose microphone plays the sample again and again."""
    samples, rate = soundfile.read(DEMO, dtype="float32")
    wav = tmp_path_factory.mktemp("microphone") / "demo.wav"
    soundfile.write(wav, soxr.resample(samples, rate, 48_000), 48_000, subtype="PCM_16")
    return launch(str(wav))


@pytest.fixture(scope="module")
def server(launch: Launch) -> Iterator[Running]:
    """A server of the built-in model, for browsers; without one there is nothing to serve."""
    del launch
    with serving(ser_rt.load()) as running:
        yield running
