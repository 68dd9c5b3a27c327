"""Files and folders are replaced whole or not at all."""

from __future__ import annotations

import errno
import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ser_rt.errors import OutputError
from ser_rt.files.hashing import sha256_of
from ser_rt.files.writing import replacing, replacing_folder, write_bytes, write_json, write_text


def test_a_file_is_replaced_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "a"
    write_text(path, "old")
    with replacing(path) as file:
        file.write(b"new")
        assert path.read_text() == "old"
    assert (path.read_text(), [p.name for p in tmp_path.iterdir()]) == ("new", ["a"])


def test_an_exception_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "a"
    write_text(path, "old")

    def interrupt() -> None:
        with replacing(path) as file:
            file.write(b"new")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupt()
    assert (path.read_text(), [p.name for p in tmp_path.iterdir()]) == ("old", ["a"])


def test_a_file_is_on_the_disk_before_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a"

    def fail(_: int) -> None:
        assert not path.exists()
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OutputError, match=os.strerror(errno.EIO)):
        write_bytes(path, b"new")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_replaced_at_the_end_or_not_at_all(tmp_path: Path) -> None:
    folder = tmp_path / "in" / "folder"
    with replacing_folder(folder) as fresh:
        write_text(fresh / "deep" / "a", "old")
        assert not folder.exists()

    def interrupt() -> None:
        with replacing_folder(folder) as fresh:
            write_text(fresh / "a", "new")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupt()
    assert [p.relative_to(folder).as_posix() for p in sorted(folder.rglob("*"))] == [
        "deep",
        "deep/a",
    ]
    with replacing_folder(folder) as fresh:
        write_text(fresh / "b", "new")
    assert [p.name for p in folder.iterdir()] == ["b"]
    assert [p.name for p in folder.parent.iterdir()] == ["folder"]


def test_a_link_is_followed_and_text_is_escaped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "file")
    value = {"name": "\udcb0", "nan": (float("nan"), {"inf": -float("inf")})}
    write_json(value, tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    text = (tmp_path / "file").read_text(encoding="utf-8")
    assert json.loads(text) == {"name": "\udcb0", "nan": [None, {"inf": None}]}
    write_json(value)
    assert capsys.readouterr().out == text


def test_links_stay_and_what_they_point_to_is_replaced(tmp_path: Path) -> None:
    for name, target in (("file", "v1.json"), ("folder", "v1"), ("new", "v2")):
        (tmp_path / name).symlink_to(target)
    (tmp_path / "v1").mkdir()
    with replacing(tmp_path / "file") as file:
        file.write(b"new")
    for name in ("folder", "new"):
        with replacing_folder(tmp_path / name) as fresh:
            write_text(fresh / "a", "new")
    assert all((tmp_path / name).is_symlink() for name in ("file", "folder", "new"))
    assert [(tmp_path / name).read_text() for name in ("v1.json", "v1/a", "v2/a")] == ["new"] * 3


def test_a_pipe_and_a_device_are_written_to(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with ThreadPoolExecutor() as pool:
        received = pool.submit(fifo.read_bytes)
        write_bytes(fifo, b"2")
        assert received.result(10) == b"2"
    assert fifo.is_fifo()
    write_bytes(os.devnull, b"3")
    assert Path(os.devnull).is_char_device()


def test_a_hash_is_of_the_content(tmp_path: Path) -> None:
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert sha256_of(write_bytes(tmp_path / "empty", b"")) == empty
