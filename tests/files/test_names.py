"""Names as they are shown, and files that a table names in another way than the disk does."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ser_rt.files.names import NameFinder, printable, printable_lines

KOREAN = "감정.wav"
NFC, NFD = (unicodedata.normalize(form, KOREAN) for form in ("NFC", "NFD"))
OF_BYTES = os.fsdecode("감정.wav".encode("cp949"))


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("plain name.wav", "plain name.wav"),
        (KOREAN, KOREAN),
        ("call: 1.m4a", "call: 1.m4a"),
        ("C:\\clips\\1.wav", "C:\\clips\\1.wav"),
        (OF_BYTES, "\\udcb0\\udca8\\udcc1\\udca4.wav"),
        ("two\nlines\t.wav", "two\\nlines\\t.wav"),
        ("\x1b[31mred\x07.wav", "\\x1b[31mred\\x07.wav"),
        ("txt.\u202evaw", "txt.\\u202evaw"),
        ("line\u2028s\x85.wav", "line\\u2028s\\x85.wav"),
        ("family 👨‍👩‍👧.wav", "family 👨‍👩‍👧.wav"),
    ],
)
def test_a_name_is_shown_in_one_line_that_can_be_written_anywhere(name: str, shown: str) -> None:
    assert printable(name) == printable(Path(name)) == shown


@given(st.binary(max_size=60))
def test_any_bytes_can_be_shown(content: bytes) -> None:
    shown = printable(os.fsdecode(content))
    assert len(shown.encode().splitlines()) <= 1
    assert shown == printable(shown)


def test_a_text_keeps_its_lines() -> None:
    assert printable_lines(f"1 of 2:\n\t{OF_BYTES}\x1b") == f"1 of 2:\n\t{printable(OF_BYTES)}\\x1b"


@pytest.mark.parametrize("there", [NFC, NFD, OF_BYTES, "two\nlines.wav", " spaced.wav "])
def test_a_file_is_found_however_it_is_written(tmp_path: Path, there: str) -> None:
    (tmp_path / there).touch()
    alike = {
        there,
        unicodedata.normalize("NFC", there),
        unicodedata.normalize("NFD", there),
        printable(there),
        there.strip(),
        f"  {there} ",
    }
    for name in alike:
        assert NameFinder().find(str(tmp_path / name)) == str(tmp_path / there), name


def test_folders_above_it_may_be_written_otherwise_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = unicodedata.normalize("NFD", "녹음")
    (tmp_path / folder).mkdir()
    (tmp_path / folder / NFC).touch()
    monkeypatch.chdir(tmp_path)
    for name in (f"녹음/{NFD}", f"녹음\\{NFD}", f"{folder}\\{NFC}", f"./녹음/{NFC}"):
        assert Path(NameFinder().find(name)) == Path(folder, NFC), name


def test_of_several_that_are_alike_none_is_taken_but_the_one_that_is_named(tmp_path: Path) -> None:
    for name in (NFC, NFD):
        (tmp_path / name).touch()
    finder = NameFinder()
    assert finder.find(str(tmp_path / NFC)) == str(tmp_path / NFC)
    assert finder.find(str(tmp_path / NFD)) == str(tmp_path / NFD)
    assert finder.find(str(tmp_path / f" {NFC}")) == str(tmp_path / f" {NFC}")


@pytest.mark.parametrize("name", ["none.wav", "none/none.wav", "a\0b.wav", "x" * 300, "", "a\\b"])
def test_what_is_not_there_stays_as_it_is(tmp_path: Path, name: str) -> None:
    assert NameFinder().find(str(tmp_path / "sub" / name)) == str(tmp_path / "sub" / name)


def test_a_folder_is_listed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listed: list[str] = []
    listdir = os.listdir

    def note(path: str) -> list[str]:
        listed.append(path)
        return listdir(path)

    monkeypatch.setattr(os, "listdir", note)
    finder = NameFinder()
    for number in range(50):
        finder.find(str(tmp_path / f"{number}.wav"))
    assert len(listed) == 1
