"""Files as clients send them: forms, bodies of other kinds, and a server without room for them."""

from __future__ import annotations

import base64
import errno
import io
import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import soundfile

from ser_rt.runtime.backends.onnx_classifier import OnnxClassifier
from ser_rt.server.limits import ServerLimits
from ser_rt.server.protocol import check
from tests.conftest import RATE, make_wave
from tests.server.conftest import Running, raw_connection, serving
from tests.server.test_http import refused

BOUNDARY = "b-1 2"
IN_FORM = f'multipart/form-data; boundary="{BOUNDARY}"'
Part = tuple[str, bytes]


@pytest.fixture(scope="module")
def wav() -> bytes:
    held = io.BytesIO()
    soundfile.write(held, make_wave(2), RATE, format="WAV")
    return held.getvalue()


def form(*parts: Part, end: bytes = b"--") -> bytes:
    """Return a form of parts, each of them headers and content."""
    marks = [
        f"--{BOUNDARY}\r\n{headers}\r\n\r\n".encode() + content + b"\r\n"
        for headers, content in parts
    ]
    return b"".join(marks) + f"--{BOUNDARY}".encode() + end + b"\r\n"


def disposition(rest: str) -> str:
    return f"Content-Disposition: form-data; {rest}"


def setting(name: str, value: str) -> Part:
    return disposition(f'name="{name}"'), value.encode()


def post(
    running: Running,
    content: bytes | Iterator[bytes],
    kind: str | None = IN_FORM,
    query: str = "",
    **headers: str,
) -> httpx.Response:
    types = {} if kind is None else {"content-type": kind}
    address = running.http(f"/v1/classify{query}")
    return httpx.post(address, content=content, headers=types | headers, timeout=30)


FILE = disposition('name="file"; filename="a.wav"')


@pytest.mark.parametrize(
    "kind",
    [
        IN_FORM,
        f'Multipart/Form-Data; BOUNDARY="{BOUNDARY}"',
        f'MULTIPART/FORM-DATA;charset=utf-8;boundary="{BOUNDARY}"',
    ],
)
@pytest.mark.parametrize(
    "headers",
    [
        FILE,
        disposition('name="sound"; filename="가.wav"') + "\r\nContent-Type: audio/wav",
        disposition("name=x; filename*=UTF-8''%EA%B0%80.wav"),
        disposition('filename="a.wav"'),
        disposition('name="anything"; filename="../../etc/passwd"'),
        disposition('name="file"'),
        disposition('name="audio"') + "\r\nContent-Transfer-Encoding: binary",
        disposition('name="clip"') + "\r\nContent-Type: application/octet-stream",
        disposition('name="clip"') + "\r\ncontent-type: Audio/X-Wav",
        "content-disposition: form-data; name=clip; filename=a.wav",
    ],
)
def test_a_file_in_a_form(running: Running, wav: bytes, kind: str, headers: str) -> None:
    wanted = post(running, wav, None, "?vad=false&top_k=1").json()
    for parts in (
        [(headers, wav), setting("vad", "false"), setting("top_k", "1")],
        [setting("vad", "false"), (headers, wav), setting("top_k", "1")],
    ):
        assert post(running, form(*parts), kind).json() == wanted
    assert len(wanted["events"]) == 3


@pytest.mark.parametrize("kind", [None, "audio/wav", "application/octet-stream", "AUDIO/X-WAV"])
def test_a_file_as_the_body(running: Running, wav: bytes, kind: str | None) -> None:
    found = post(running, wav, kind, "?vad=false")
    assert (found.status_code, len(found.json()["events"])) == (200, 3)
    pieces = (wav[at : at + 1_000] for at in range(0, len(wav), 1_000))
    assert post(running, pieces, kind, "?vad=false").json() == found.json()  # chunked


def test_an_empty_input_of_a_page_is_no_file(running: Running, wav: bytes) -> None:
    empty = disposition('name="other"; filename=""') + "\r\nContent-Type: application/octet-stream"
    assert post(running, form((empty, b""), (FILE, wav))).status_code == 200
    refused(post(running, form((empty, b""))), 422, "no_audio", "curl -F file=@FILE")
    refused(post(running, form((FILE, b""))), 422, "no_audio")
    refused(post(running, form(setting("vad", "false"))), 422, "no_audio")


@pytest.mark.parametrize(
    ("parts", "query", "words"),
    [
        ([setting("model", "whisper-1")], "", "no setting 'model'; there are window_s"),
        ([setting("token", "secret")], "", "no setting 'token'"),
        ([setting("", "x")], "", "no setting ''"),
        ([setting("hop_s", "1"), setting("hop_s", "2")], "", "hop_s is given twice"),
        ([setting("hop_s", "1")], "?hop_s=1", "hop_s is given twice"),
        ([], "?hop_s=1&hop_s=2", "hop_s is given twice"),
        ([(disposition('name="b"; filename="b.wav"'), b"RIFF")], "", "'a.wav' and 'b.wav'"),
        ([setting("vad", "x" * 5_000)], "", "file name"),
        ([setting(f"x{n}", "") for n in range(40)], "", "32 fields"),
        ([(disposition("name=" + "x" * 5_000), b"")], "", ""),
    ],
)
def test_what_a_form_may_not_hold(
    running: Running, wav: bytes, parts: list[Part], query: str, words: str
) -> None:
    refused(post(running, form((FILE, wav), *parts), query=query), 400, "bad_request", words)


def test_a_form_that_is_none(running: Running, wav: bytes) -> None:
    whole = form((FILE, wav))
    refused(post(running, form((FILE, wav), end=b"")), 400, "bad_request", "cut off")
    refused(post(running, whole[: len(whole) // 2]), 400, "bad_request", "cut off")
    refused(post(running, b"x" * 100), 400, "bad_request", "no multipart form")
    refused(post(running, whole, "multipart/form-data"), 400, "bad_request", "boundary")
    refused(post(running, whole, "multipart/mixed; boundary=x"), 400, "bad_request", "form-data")


def test_what_curl_sends_by_mistake(running: Running, wav: bytes) -> None:
    kind = "application/x-www-form-urlencoded"
    # curl says so of --data-binary, too, and there it is the file.
    assert post(running, wav, kind).status_code == 200
    assert post(running, wav, f"{kind}; charset=UTF-8").status_code == 200
    for content in (wav, wav[:600], b"\xff\xfb\x90\x64" + wav):
        dropped = bytes(byte for byte in content if byte not in b"\0\r\n")
        refused(post(running, dropped, kind), 422, "bad_audio", "--data-binary")
    refused(post(running, b"file=a.wav&hop_s=1", kind), 422, "bad_audio", "--data-binary")


def test_text_is_no_file(running: Running, wav: bytes) -> None:
    text = base64.b64encode(wav)
    for content in (text, base64.encodebytes(wav), b"data:audio/wav;base64," + text):
        refused(post(running, content, "text/plain"), 422, "bad_audio", "base64 text")
        refused(post(running, form((FILE, content))), 422, "bad_audio", "base64 text")
    body = json.dumps({"audio": text.decode()}).encode()
    refused(post(running, body, "application/json"), 400, "bad_request", "--data-binary")
    refused(post(running, body, "Application/Ld+Json; x=y"), 400, "bad_request", "JSON")
    refused(post(running, body, None), 422, "bad_audio", "JSON")
    packed = {"content-encoding": "gzip"}
    refused(post(running, wav, None, **packed), 400, "bad_request", "Content-Encoding: gzip")


def test_too_much_is_refused_before_it_is_sent(classifier: OnnxClassifier) -> None:
    limits = ServerLimits(max_upload_bytes=1_000)
    with serving(classifier, limits) as running:
        for expect in (b"", b"Expect: 100-continue\r\n"):
            with raw_connection(running) as client:
                head = b"POST /v1/classify HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1001\r\n"
                client.sendall(head + expect + b"\r\n")
                answer = b""
                while not answer.endswith(b"}"):
                    more = client.recv(65_536)
                    assert more, answer
                    answer += more
                assert answer.startswith(b"HTTP/1.1 413")
                assert b"upload_too_big" in answer
        pieces = (bytes(600) for _ in range(2))
        refused(post(running, pieces, None), 413, "upload_too_big", "1000 bytes")


def test_a_client_that_asks_first_is_told_to_go_on(running: Running, wav: bytes) -> None:
    with raw_connection(running) as client:
        length = f"Content-Length: {len(wav)}\r\n".encode()
        head = b"POST /v1/classify?vad=false HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
        client.sendall(head + b"Expect: 100-continue\r\n" + length + b"\r\n")
        assert client.recv(65_536).startswith(b"HTTP/1.1 100")
        client.sendall(wav)
        answer = b"".join(iter(lambda: client.recv(65_536), b""))
    assert answer.startswith(b"HTTP/1.1 200")
    check(json.loads(answer.partition(b"\r\n\r\n")[2]), "classification", "internal")


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 64 KiB."""
    mount = shutil.which("mount")
    if mount is None:
        pytest.skip("needs mount")
    (folder := tmp_path / "disk").mkdir()
    done = subprocess.run(
        [mount, "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], check=False, capture_output=True
    )
    if done.returncode:
        pytest.skip(f"may not mount a disk: {done.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_full_disk_is_said_and_survived(
    running: Running, tiny_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long, short = io.BytesIO(), io.BytesIO()
    soundfile.write(long, make_wave(5), RATE, format="WAV")
    soundfile.write(short, make_wave(1), RATE, format="WAV")
    monkeypatch.setattr(tempfile, "tempdir", str(tiny_disk))
    for content, kind in ((long.getvalue(), None), (form((FILE, long.getvalue())), IN_FORM)):
        answer = post(running, content, kind)
        refused(answer, 507, "no_storage", "No space")
        check(answer.json(), "error", "internal")
        assert list(tiny_disk.iterdir()) == []
        assert post(running, short.getvalue(), None).status_code == 200
    assert running.service.taken == 0


@pytest.mark.parametrize("where", ["open", "write", "close"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO])
def test_a_disk_that_fails_is_said(
    running: Running, wav: bytes, monkeypatch: pytest.MonkeyPatch, where: str, number: int
) -> None:
    opened = Path.open

    def fail(*_: Any) -> None:
        raise OSError(number, "injected")

    def open_badly(path: Path, *args: Any, **settings: Any) -> Any:
        if path.name != "upload":
            return opened(path, *args, **settings)
        if where == "open":
            fail()
        raw = io.FileIO(path, "w+")
        bad = type("Bad", (io.FileIO,), {"write": fail})(path, "w+")
        raw.close()
        # Small enough for the buffer: what fails is the end of it.
        return io.BufferedRandom(bad, len(wav) * 2 if where == "close" else 16)

    monkeypatch.setattr(Path, "open", open_badly)
    with monkeypatch.context():
        refused(post(running, wav, None), 507, "no_storage", "no room")
    monkeypatch.undo()
    assert post(running, wav, None).status_code == 200


@pytest.mark.parametrize("place", ["missing", "a file", None])
def test_no_place_for_files(
    running: Running, wav: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str | None
) -> None:
    (tmp_path / "a file").touch()
    monkeypatch.setattr(tempfile, "tempdir", None if place is None else str(tmp_path / place))
    if place is None:  # as where neither TMPDIR nor /tmp can be written

        def nowhere() -> str:
            raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found in [...]")

        monkeypatch.setattr(tempfile, "_get_default_tempdir", nowhere)
    answer = post(running, wav, None)
    refused(answer, 507, "no_storage")
    assert str(tmp_path) not in answer.text
    monkeypatch.undo()
    assert post(running, wav, None).status_code == 200
