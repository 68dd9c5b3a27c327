"""A recording by URL is read once, whatever its connection does; from real sockets."""

from __future__ import annotations

import http.server
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

import pytest

from ser_rt.audio.decoding import http as reader
from ser_rt.audio.sources.network import NetworkSource
from ser_rt.errors import AudioDecodeError
from tests.conftest import RATE
from tests.support.recordings import SECONDS, written


@dataclass
class Server:
    """How a server behaves, and what it was asked for."""

    data: bytes
    knows_ranges: bool = True
    says_length: bool = True
    is_chunked: bool = False
    breaks: int = 0
    """How many answers end in their middle."""
    changes: bool = False
    redirects: bool = False
    refuses: int = 0
    """How many requests for the rest are answered with 503."""
    ranges: list[str | None] = field(default_factory=list)
    url: str = ""

    def answer(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        if self.redirects and handler.path == "/a":
            handler.send_response(302)
            handler.send_header("Location", "/b")
            handler.end_headers()
            return
        wanted = handler.headers.get("Range")
        self.ranges.append(wanted)
        if wanted and self.refuses:
            self.refuses -= 1
            handler.send_error(503)
            return
        start = int(wanted[6:-1]) if wanted and self.knows_ranges else 0
        handler.send_response(206 if start else 200)
        if start:
            size = len(self.data)
            handler.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
        if self.says_length:
            handler.send_header("Content-Length", str(len(self.data) - start))
        if self.is_chunked:
            handler.send_header("Transfer-Encoding", "chunked")
        handler.send_header("ETag", str(len(self.ranges) if self.changes else 0))
        handler.end_headers()
        body = self.data[start:]
        if self.breaks:
            self.breaks -= 1
            body = body[: len(body) // 2]
        if self.is_chunked:
            body = f"{len(body):x}\r\n".encode() + body + b"\r\n0\r\n\r\n"
        handler.wfile.write(body)


@contextmanager
def serving(server: Server) -> Iterator[Server]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1" if server.is_chunked else "HTTP/1.0"

        def do_GET(self) -> None:
            server.answer(self)
            self.close_connection = True

        def log_message(self, *_: object) -> None: ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        thread = threading.Thread(target=httpd.serve_forever)
        thread.start()
        server.url = f"http://127.0.0.1:{httpd.server_port}/a"
        yield server
        httpd.shutdown()
        thread.join()


def decoded_s(url: str, **settings: Any) -> float:
    """Decode a URL; return where the audio ends, and refuse gaps."""
    end = 0
    with NetworkSource(url, **settings) as source:
        for chunk in source:
            assert chunk.start == end
            end += len(chunk.samples)
    return end / RATE


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "RETRY_S", (0.0, 0.0, 0.0, 0.01))


@pytest.mark.parametrize("name", ["wav", "mp3", "m4a", "m4a index last", "ogg opus", "webm", "mkv"])
@pytest.mark.parametrize("knows_ranges", [True, False])
@pytest.mark.parametrize("breaks", [0, 1, 3])
def test_a_lost_connection_goes_on_where_it_was(
    name: str, breaks: int, *, knows_ranges: bool
) -> None:
    with serving(Server(written(name), breaks=breaks, knows_ranges=knows_ranges)) as server:
        assert decoded_s(server.url) == pytest.approx(SECONDS, abs=0.1)
    assert len(server.ranges) <= 2 * (1 + breaks) + 3


def test_what_is_asked_for_again_is_the_rest_alone() -> None:
    data = written("wav")
    with serving(Server(data, breaks=1)) as server:
        decoded_s(server.url)
    assert f"bytes={len(data) // 2}-" in server.ranges


@pytest.mark.parametrize(
    ("name", "behaviour", "settings", "words"),
    [
        ("wav", {"breaks": 99, "knows_ranges": False}, {}, r"at 2\.00 s: .*breaks off"),
        ("wav", {"breaks": 1}, {"reconnect": False}, "breaks off"),
        ("mp3", {"breaks": 1, "changes": True}, {}, "another file"),
    ],
    ids=["it stays away", "not asked again", "another file"],
)
def test_a_connection_lost_for_good_is_an_error_behind_what_came(
    name: str, behaviour: dict[str, Any], settings: dict[str, Any], words: str
) -> None:
    with (
        serving(Server(written(name), **behaviour)) as server,
        pytest.raises(AudioDecodeError, match=words),
    ):
        decoded_s(server.url, **settings)


def test_a_server_that_refuses_for_a_moment_is_asked_again() -> None:
    with serving(Server(written("wav"), breaks=1, refuses=1)) as server:
        assert decoded_s(server.url) == SECONDS


def test_redirections_are_followed() -> None:
    with serving(Server(written("wav"), redirects=True)) as server:
        assert decoded_s(server.url) == SECONDS


def test_a_recording_of_unknown_length_is_decoded_to_its_end() -> None:
    for is_chunked in (False, True):
        server = Server(written("mp3"), says_length=False, is_chunked=is_chunked)
        with serving(server):
            assert decoded_s(server.url) == pytest.approx(SECONDS, abs=0.1)


def test_a_recording_that_begins_anew_is_no_live_stream() -> None:
    data = written("mp3 bare")
    with serving(Server(data, says_length=False, is_chunked=True)) as server:

        def cut(handler: http.server.BaseHTTPRequestHandler) -> None:
            handler.send_response(200)
            handler.send_header("Transfer-Encoding", "chunked")
            handler.end_headers()
            handler.wfile.write(f"{len(data):x}\r\n".encode() + data[: len(data) // 2])

        server.answer = cut  # type: ignore[method-assign]  # a double
        with pytest.raises(AudioDecodeError, match="begins anew"):
            decoded_s(server.url, sleep=lambda _: None)


def test_half_a_recording_is_told_by_url_too() -> None:
    for name in ("wav", "webm", "mp3", "flac", "rf64"):
        data = written(name)
        with (
            serving(Server(data[: len(data) // 2])) as server,
            pytest.raises(AudioDecodeError, match="truncated"),
        ):
            decoded_s(server.url)


@pytest.mark.parametrize("path", ["감정 1.wav", "a b%20c.wav?x=é&y=1"])
def test_addresses_are_quoted_and_keys_are_sent(path: str) -> None:
    seen: list[tuple[str, str | None]] = []
    with serving(Server(written("wav"))) as server:
        whole = server.answer

        def note(handler: http.server.BaseHTTPRequestHandler) -> None:
            seen.append((unquote(handler.path), handler.headers.get("Authorization")))
            whole(handler)

        server.answer = note  # type: ignore[method-assign]  # a double
        url = server.url.replace("http://", "http://me:it%40s@").removesuffix("a") + path
        assert decoded_s(url) == SECONDS
    assert set(seen) == {(f"/{unquote(path)}", "Basic bWU6aXRAcw==")}


def _answering(server: Server, *lines: str, body: bytes = b"") -> None:
    """Let a server answer every request with these lines."""

    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        server.ranges.append(handler.headers.get("Range"))
        handler.wfile.write("\r\n".join((*lines, "", "")).encode() + (body or server.data))

    server.answer = answer  # type: ignore[method-assign]


_TITLES = b"\x01StreamTitle='a';"
_EVERY = 1_000


@pytest.mark.parametrize("first", ["ICY 200 OK", "HTTP/1.0 200 OK"])
def test_titles_of_a_station_are_no_sound(first: str) -> None:
    data = written("mp3 bare")
    pieces = [data[at : at + _EVERY] for at in range(0, len(data), _EVERY)]
    with serving(Server(data)) as server:
        lines = (first, "icy-name: x", f"icy-metaint: {_EVERY}", "Content-Type: audio/mpeg")
        _answering(server, *lines, body=_TITLES.join(pieces))
        codes, end = list[str](), 0
        with NetworkSource(server.url, reconnect=False) as source, suppress(AudioDecodeError):
            for chunk in source:
                codes += [warning.code for warning in chunk.warnings]
                end += len(chunk.samples)
    assert codes == []
    assert end / RATE == pytest.approx(SECONDS, abs=0.13)


@pytest.mark.parametrize("length", [True, False])
def test_a_recording_of_a_station_is_not_repeated_for_ever(*, length: bool) -> None:
    with serving(Server(data := written("mp3 bare"))) as server:
        lines = [f"Content-Length: {len(data)}"] if length else []
        _answering(server, "HTTP/1.0 200 OK", "icy-name: x", *lines)
        if length:
            assert decoded_s(server.url) == pytest.approx(SECONDS, abs=0.13)
            return
        with pytest.raises(AudioDecodeError, match="begins anew"):
            deque(NetworkSource(server.url, sleep=lambda _: None), maxlen=0)
    assert len(server.ranges) == 3


@pytest.mark.parametrize("kind", ["audio/x-mpegurl", "text/plain"])
def test_a_playlist_names_what_to_open(kind: str) -> None:
    with serving(Server(b"#EXTM3U\r\nhttp://x.example/a.mp3\r\n")) as server:
        _answering(server, "HTTP/1.0 200 OK", f"Content-Type: {kind}")
        with pytest.raises(AudioDecodeError, match=r"playlist.* http://x\.example/a\.mp3$"):
            decoded_s(server.url)


def test_parts_that_a_playlist_lists_and_that_do_not_come_are_reported() -> None:
    listed = (
        b"#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\na.ts\n#EXTINF:4,\nb.ts\n#EXT-X-ENDLIST\n"
    )
    with serving(server := Server(written("mpegts"), is_chunked=True)):

        def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
            handler.send_response(404 if handler.path == "/b.ts" else 200)
            body = {"/a": listed, "/a.ts": server.data}.get(handler.path, b"")
            handler.send_header("Content-Type", "application/vnd.apple.mpegurl")
            handler.send_header("Content-Length", str(len(body)))
            handler.end_headers()
            handler.wfile.write(body)

        server.answer = answer  # type: ignore[method-assign]
        with NetworkSource(server.url) as source:
            codes = [warning.code for chunk in source for warning in chunk.warnings]
    assert codes == ["truncated"]


def test_another_file_without_marks_is_known_by_its_length() -> None:
    with serving(server := Server(written("mp3 bare"), knows_ranges=False, breaks=1)):
        usual = server.answer

        def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
            usual(handler)
            server.data = written("mp3")

        server.answer = answer  # type: ignore[method-assign]
        with pytest.raises(AudioDecodeError, match="another file"):
            decoded_s(server.url)


def test_tags_before_a_recording_are_skipped_by_url_too() -> None:
    tag = b"ID3\x03\0\0\0\0\x0f\x50" + b"q" * 2_000
    with serving(Server(tag + tag + written("flv"))) as server:
        assert decoded_s(server.url) == pytest.approx(SECONDS, abs=0.13)


def test_what_is_no_address_is_an_error() -> None:
    with pytest.raises(AudioDecodeError, match="no address"):
        decoded_s("http://[::1/a.mp3")


def test_nothing_by_url_is_called_empty() -> None:
    with serving(Server(b"")) as server, pytest.raises(AudioDecodeError, match="is empty"):
        decoded_s(server.url)
