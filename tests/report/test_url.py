"""Reports of recordings by URL."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ser_rt.commands.report import main
from tests.support.recordings import by_ffmpeg


class Recordings(http.server.BaseHTTPRequestHandler):
    """Serves one recording, with its length or without."""

    content = b""

    def do_GET(self) -> None:
        if self.path.startswith("/absent"):
            return self.send_error(404)
        self.send_response(200)
        self.send_header("Content-Type", "audio/mpeg")
        if not self.path.startswith("/live"):
            self.send_header("Content-Length", str(len(self.content)))
        self.end_headers()
        self.wfile.write(self.content)
        return None

    def log_message(self, *_: object) -> None: ...


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    Recordings.content = by_ffmpeg("mp3", "libmp3lame")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Recordings) as found:
        thread = threading.Thread(target=found.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{found.server_port}"
        found.shutdown()
        thread.join()


def test_a_recording_by_url_has_a_report_that_keeps_its_secret(
    server: str, tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    how = ["--model", str(tiny_bundle), "--no-vad"]
    page = tmp_path / "one.html"
    secret = f"{server}/calls/one%20call.mp3?token=secret"
    assert main([secret, "-o", str(page), "--embed-audio", *how]) == 0
    html = page.read_text()
    assert "one call.mp3" in html
    assert "data:audio/mpeg" in html
    assert capsys.readouterr().err.startswith("one call.mp3: ")
    out = tmp_path / "reports"
    assert main([secret, f"{server}/absent.mp3", "-o", str(out), *how]) == 1
    index = (out / "index.html").read_text()
    assert 'href="one%20call.html"' in index or 'href="one call.html"' in index
    assert "absent.mp3" in index
    pages = [html, *(path.read_text() for path in out.iterdir())]
    assert not any("secret" in text or "<audio src=" in text for text in pages)


def test_a_stream_without_an_end_is_refused(
    server: str, tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "live.html"
    assert main([f"{server}/live.mp3", "-o", str(page), "--model", str(tiny_bundle)]) == 1
    assert "--session-report" in capsys.readouterr().err
    assert not page.exists()
