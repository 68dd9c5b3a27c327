"""Streams by URL, from a server on this machine and from one that a test plays."""

import functools
import http.server
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ser_rt.audio.block import Block
from ser_rt.audio.sources.network import NetworkSource
from ser_rt.errors import AudioDecodeError
from tests.conftest import RATE, make_wave


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    handler = functools.partial(QuietHandler, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as httpd:
        thread = threading.Thread(target=httpd.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{httpd.server_port}"
        httpd.shutdown()
        thread.join()


def test_a_recording_is_decoded_by_its_url(server: str, write_audio: Callable[..., Path]) -> None:
    wave = make_wave(1.5)
    write_audio("a.wav", wave, subtype="FLOAT")
    with NetworkSource(f"{server}/a.wav") as source:
        chunks = list(source)
    decoded = np.concatenate([chunk.samples for chunk in chunks])
    np.testing.assert_allclose(decoded, wave, atol=1e-6)
    assert not any(chunk.is_live for chunk in chunks)


def test_what_is_not_there_is_an_error(server: str) -> None:
    with pytest.raises(AudioDecodeError, match=r"nowhere\.wav"):
        NetworkSource(f"{server}/nowhere.wav").__enter__()


def test_a_url_that_never_answers_is_an_error_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/a.wav"
        started = time.monotonic()
        with pytest.raises(AudioDecodeError, match="no answer"):
            NetworkSource(url, timeout_s=0.5).__enter__()
    assert time.monotonic() - started < 3


class Fake:
    """A live stream of a second, in pieces of 40 ms; then it ends, or breaks."""

    sample_rate = RATE
    is_endless = True
    waited_s = 0.0

    def __init__(self, world: "World") -> None:
        self._world = world

    def blocks(self, block_s: float) -> Iterator[Block]:
        for number in range(round(1 / block_s)):
            self._world.now_s += block_s
            self._world.level += 0.001  # a live stream does not repeat itself
            samples = np.full((round(block_s * RATE), 1), self._world.level, np.float32)
            yield Block(samples, RATE, number * block_s)
        if self._world.breaks:
            msg = "the stream is truncated or damaged"
            raise AudioDecodeError(msg)

    def close(self) -> None: ...


class World:
    def __init__(self, *, breaks: bool = True, refusals: int = 0) -> None:
        self.now_s, self.breaks, self.refusals, self.opened = 50.0, breaks, refusals, 0
        self.level = 0.0

    def source(self, url: str = "http://x/live", **settings: Any) -> NetworkSource:
        return NetworkSource(
            url,
            open_stream=self.open,
            clock=lambda: self.now_s,
            sleep=self.sleep,
            waits=lambda: iter((0.5, 1.0, 2.0, 4.0)),
            **settings,
        )

    def open(self, _url: str, _timeout_s: float, **_: object) -> Fake:
        self.opened += 1
        if 1 < self.opened <= 1 + self.refusals:
            msg = "connection refused"
            raise AudioDecodeError(msg)
        return Fake(self)

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds


def test_a_broken_stream_is_opened_again_and_keeps_its_place_in_time() -> None:
    world = World(refusals=3)
    chunks = []
    with world.source() as source:
        for chunk in source:
            chunks.append(chunk)
            if [warning.code for warning in chunk.warnings] == ["stream_back"]:
                break
    codes = [warning.code for chunk in chunks for warning in chunk.warnings]
    assert codes == ["stream_lost", "stream_back"]
    assert world.opened == 5
    away_s = 0.5 + 1 + 2 + 4
    assert chunks[-1].start / RATE == pytest.approx(1 + away_s)
    assert "is back after 7.5 s" in chunks[-1].warnings[0].message


def test_without_reconnecting_a_broken_stream_is_an_error() -> None:
    with World().source(reconnect=False) as source, pytest.raises(AudioDecodeError):
        list(source)


def test_where_a_recording_ends_it_ends_and_a_live_protocol_is_lost() -> None:
    world = World(breaks=False)
    with world.source() as source:
        assert sum(len(chunk.samples) for chunk in source) == RATE
    assert world.opened == 1
    with world.source("rtsp://x/live") as source:
        for chunk in source:
            if chunk.warnings:
                break
    assert chunk.warnings[0].code == "stream_lost"


@pytest.mark.parametrize("silent_s", [0.0, 0.3, 1.5, 3.0])
@pytest.mark.parametrize("breaks", [False, True])
def test_a_recording_that_is_served_from_its_start_each_time_ends(
    silent_s: float, *, breaks: bool
) -> None:
    """Also one that begins with silence, or has nothing else."""
    wave = make_wave(3.0)
    wave[: round(silent_s * RATE)] = 0

    class Recording(Fake):
        def blocks(self, block_s: float) -> Iterator[Block]:
            size = round(block_s * RATE)
            for start in range(0, len(wave), size):
                samples = wave[start : start + size, np.newaxis]
                yield Block(samples, RATE, start / RATE)
            if breaks:
                msg = "the stream is truncated or damaged"
                raise AudioDecodeError(msg)

    class Server(World):
        def open(self, _url: str, _timeout_s: float, **_: object) -> Fake:
            self.opened += 1
            assert self.opened < 9
            return Recording(self)

    url = "http://x/a.wav" if breaks else "rtsp://x/live"
    with Server().source(url) as source, pytest.raises(AudioDecodeError, match="begins anew"):
        assert sum(len(chunk.samples) for chunk in source) <= 3 * len(wave)
