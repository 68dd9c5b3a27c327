"""Files elsewhere are found and classified as local ones are."""

from __future__ import annotations

import http.server
import shutil
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import fsspec
import pytest

from ser_rt.batch.classify_file import BatchConfig, FileClassifier
from ser_rt.batch.discovery import find_inputs
from ser_rt.errors import DataError, MissingDependencyError


@pytest.fixture
def store(corpus: Path) -> Iterator[str]:
    memory = fsspec.filesystem("memory")
    memory.pipe({f"/calls/{path.name}": path.read_bytes() for path in corpus.iterdir()})
    memory.pipe("/calls/clips.csv", b"file_path,speaker\n2.wav,anna\nmemory://calls/9.wav,ben\n")
    yield "memory://calls"
    memory.rm("/calls", recursive=True)


def test_folders_globs_and_tables_are_found_by_url(store: str) -> None:
    assert len(find_inputs([store]).items) == 7
    globbed = find_inputs([f"{store}/[23].wav"])
    assert [(i.path, i.size) for i in globbed.items] == [
        ("memory:///calls/3.wav", 76_844),
        ("memory:///calls/2.wav", 57_644),
    ]
    listed = find_inputs([f"{store}/clips.csv"])
    assert [(i.path, i.extra[1]) for i in listed.items] == [
        ("memory://calls/2.wav", "anna"),
        ("memory://calls/9.wav", "ben"),
    ]


def test_a_glob_of_urls_takes_what_one_of_names_does(store: str) -> None:
    memory = fsspec.filesystem("memory")
    memory.pipe({f"/calls/{name}": b"x" for name in ("._2.wav", "__MACOSX/3.wav", "[odd].wav")})
    found = find_inputs([f"{store}/**"])
    assert {(i.path, i.extra) for i in found.items} == {
        *((f"memory:///calls/{name}.wav", (None, None)) for name in (0, 1, 3, 4, 5, 6, "[odd]")),
        ("memory:///calls/2.wav", ("2.wav", "anna")),
        ("memory://calls/9.wav", ("memory://calls/9.wav", "ben")),
    }
    assert found.passed_over == {"hidden": 1, "of a system": 1}
    (odd,) = find_inputs([f"{store}/[odd].wav"]).items
    assert odd.path == "memory:///calls/[odd].wav"
    (named,) = find_inputs([f"{store}/__MACOSX/*.wav"]).items
    assert named.path == "memory:///calls/__MACOSX/3.wav"


def test_a_glob_of_tables_reads_them(store: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "calls.zip", "w") as archive:
        archive.writestr("lists/one.jsonl", '{"file_path": "../1.wav", "speaker": "anna"}')
        archive.writestr("lists/two.csv", "file_path,speaker\n2.wav,ben\n")
    zipped = f"{tmp_path}/calls.zip"
    found = find_inputs([f"{store}/*.csv", f"zip://lists/*::{zipped}"])
    assert found.columns == ("file_path", "speaker")
    assert {item.path: item.extra[1] for item in found.items} == {
        "memory:///calls/2.wav": "anna",
        "memory://calls/9.wav": "ben",
        f"zip://1.wav::{zipped}": "anna",
        f"zip://lists/2.wav::{zipped}": "ben",
    }


def test_a_remote_file_has_the_results_of_a_local_one(
    store: str, corpus: Path, job: BatchConfig
) -> None:
    classifier = FileClassifier(job)
    here, there = classifier.classify(str(corpus / "5.wav")), classifier.classify(f"{store}/5.wav")
    fixed = {"path": None, "elapsed_s": None}
    assert there.file | fixed == here.file | fixed
    assert there.file["windows"] > 0
    missing = classifier.classify("memory://calls/9.wav").file
    assert missing["error_code"] == "missing"
    assert missing["error"] == "there is no memory://calls/9.wav"


SIGNED = "X-Amz-Credential=AKIA/20261128/eu/s3&X-Amz-Date=*&X-Amz-Signature=" + "a" * 250


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves a folder, and prints nothing."""

    def log_message(self, *_: object) -> None:
        pass


@pytest.mark.skipif(find_spec("aiohttp") is None, reason="aiohttp is not installed")
def test_signed_addresses_are_fetched(tmp_path: Path, corpus: Path, job: BatchConfig) -> None:
    shutil.copy(corpus / "5.wav", tmp_path)
    (tmp_path / "clips.csv").write_text("file_path,speaker\n5.wav,anna\n", encoding="utf-8")
    classifier = FileClassifier(job)
    here = classifier.classify(str(corpus / "5.wav")).file
    handler = partial(Quiet, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        web = f"http://127.0.0.1:{httpd.server_port}"
        (item,) = find_inputs([f"{web}/5.wav?{SIGNED}"]).items
        there = classifier.classify(item.path).file
        (listed,) = find_inputs([f"{web}/clips.csv?{SIGNED}"]).items
        (globbed,) = find_inputs([f"{web}/*.csv"]).items
        httpd.shutdown()
    fixed = {"path": None, "elapsed_s": None}
    assert there | fixed == here | fixed
    assert (listed.path, listed.extra[1]) == (f"{web}/5.wav", "anna")
    assert globbed == listed


def test_a_damaged_file_is_named_by_its_url(job: BatchConfig) -> None:
    fsspec.filesystem("memory").pipe("/bad.wav", b"RIFF nothing")
    file = FileClassifier(job).classify("memory://bad.wav").file
    assert file["error_code"] == "unreadable"
    assert file["error"].startswith("memory://bad.wav is not audio")


def test_an_archive_is_a_folder(tmp_path: Path, corpus: Path, job: BatchConfig) -> None:
    with zipfile.ZipFile(tmp_path / "calls.zip", "w") as archive:
        archive.write(corpus / "1.wav", "calls/1.wav")
    (item,) = find_inputs([f"zip://calls::{tmp_path}/calls.zip"]).items
    assert item.size == (corpus / "1.wav").stat().st_size
    assert FileClassifier(job).classify(item.path).file["duration_s"] == 1.2


def test_a_store_that_fails_is_an_error_of_the_file(job: BatchConfig) -> None:
    file = FileClassifier(job).classify("zip://a.wav::/nowhere.zip").file
    assert file["error_code"] in ("missing", "not_fetched")
    assert "a.wav" in file["error"]


@pytest.mark.skipif(find_spec("s3fs") is not None, reason="s3fs is installed")
def test_a_missing_package_is_named() -> None:
    with pytest.raises(MissingDependencyError, match="s3fs"):
        find_inputs(["s3://bucket/calls/"])


@pytest.mark.skipif(find_spec("s3fs") is not None, reason="s3fs is installed")
def test_a_missing_package_is_no_fault_of_the_file(job: BatchConfig) -> None:
    with pytest.raises(MissingDependencyError, match="s3fs"):
        FileClassifier(job).classify("s3://bucket/calls/1.wav")


@pytest.mark.parametrize("url", ["what://x/y.wav", "memory://nothing/here.wav", "memory://none/*"])
def test_a_url_with_nothing_behind_it_is_refused(url: str) -> None:
    with pytest.raises(DataError, match=url.replace("*", r"\*")):
        find_inputs([url])
