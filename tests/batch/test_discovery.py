"""Whatever names recordings, each is found once."""

from __future__ import annotations

import itertools
import json
import os
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ser_rt.batch.discovery import Corpus, find_inputs
from ser_rt.errors import DataError

ROWS = [{"file_path": "a.wav", "speaker": "001"}, {"file_path": "sub/b.wav", "speaker": ""}]


def write_csv(path: Path, rows: list[dict[str, str]]) -> None:
    lines = [",".join(rows[0]), *(",".join(row.values()) for row in rows)]
    path.write_text("\ufeff" + "\n".join(lines) + "\n", encoding="utf-8")


def write_jsonl(path: Path, rows: list[dict[str, str]]) -> None:
    path.write_text("\n\n".join(map(json.dumps, rows)), encoding="utf-8")


def write_parquet(path: Path, rows: list[dict[str, str]]) -> None:
    pq.write_table(pa.Table.from_pylist(rows), path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "sub").mkdir()
    for name, size in (("a.wav", 10), ("sub/b.WAV", 30), ("sub/c.mp3", 20), ("note.txt", 5)):
        (tmp_path / name).write_bytes(b"x" * size)
    return tmp_path


def names(corpus: Corpus, folder: Path) -> list[str]:
    return [os.path.relpath(item.path, folder) for item in corpus.items]


def test_a_folder_is_searched_to_its_bottom_and_the_longest_comes_first(folder: Path) -> None:
    corpus = find_inputs([str(folder)])
    assert names(corpus, folder) == ["sub/b.WAV", "sub/c.mp3", "a.wav"]
    assert [item.size for item in corpus.items] == [30, 20, 10]


def test_a_glob_takes_what_it_matches(folder: Path) -> None:
    assert names(find_inputs([f"{folder}/**/*.mp3"]), folder) == ["sub/c.mp3"]


def test_a_file_is_taken_whatever_its_name_is(folder: Path) -> None:
    (folder / "[odd].bin").touch()
    named = [str(folder / "note.txt"), str(folder / "[odd].bin")]
    assert names(find_inputs(named), folder) == ["note.txt", "[odd].bin"]


def test_a_file_named_twice_is_classified_once(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    corpus = find_inputs(["a.wav", str(folder), "./sub/../a.wav", f"file://{folder}/a.wav"])
    assert sorted(names(corpus, folder)) == ["a.wav", "sub/b.WAV", "sub/c.mp3"]
    assert corpus.duplicates == 3


@pytest.mark.parametrize(
    ("suffix", "write"), [("csv", write_csv), ("jsonl", write_jsonl), ("parquet", write_parquet)]
)
def test_a_table_names_files_beside_it_and_says_more_about_them(
    folder: Path, suffix: str, write: Callable[[Path, list[dict[str, str]]], None]
) -> None:
    table = folder / f"clips.{suffix}"
    write(table, ROWS)
    corpus = find_inputs([str(table)])
    assert corpus.columns == ("file_path", "speaker")
    found = {os.path.relpath(item.path, folder): item for item in corpus.items}
    assert found["a.wav"].extra == ("a.wav", "001")
    assert found["a.wav"].size == 10
    assert found["sub/b.wav"].extra == ("sub/b.wav", None)
    assert found["sub/b.wav"].size is None


@pytest.mark.parametrize("name", ["clips.jsonl", "clips.parquet"])
def test_rows_without_any_value_are_none(folder: Path, name: str) -> None:
    rows = [{"file_path": "a.wav", "speaker": "1"}, {"file_path": None, "speaker": ""}, {}]
    if name == "clips.parquet":
        pq.write_table(pa.Table.from_pylist(rows), folder / name)
    else:
        text = "".join(f"{json.dumps(row)}\r\n" for row in rows)
        (folder / name).write_text(text, encoding="utf-8-sig")
    corpus = find_inputs([str(folder / name)])
    assert [item.extra for item in corpus.items] == [("a.wav", "1")]


def test_columns_of_several_inputs_are_united(folder: Path) -> None:
    write_jsonl(folder / "one.jsonl", [{"file": "a.wav", "age": 30, "tags": ["x"]}])  # type: ignore[dict-item]  # wrong on purpose
    write_csv(folder / "two.csv", [{"speaker": "s", "file_path": "sub/c.mp3"}])
    corpus = find_inputs([f"{folder}/*.jsonl", f"{folder}/two.csv", f"{folder}/sub/b.WAV"])
    assert corpus.columns == ("age", "file", "file_path", "speaker", "tags")
    assert {item.extra for item in corpus.items} == {
        ("30", "a.wav", None, None, '["x"]'),
        (None, None, "sub/c.mp3", "s", None),
        (None,) * 5,
    }


def test_a_file_has_the_values_of_all_inputs_that_name_it_in_any_order(folder: Path) -> None:
    write_csv(folder / "one.csv", [{"file_path": "a.wav", "speaker": "s"}])
    write_csv(folder / "two.csv", [{"age": "30", "file_path": "a.wav"}])
    for inputs in itertools.permutations((str(folder), f"{folder}/one.csv", f"{folder}/two.csv")):
        corpus = find_inputs(inputs)
        assert corpus.columns == ("age", "file_path", "speaker")
        assert {item.path: item.extra for item in corpus.items} == {
            str(folder / "a.wav"): ("30", "a.wav", "s"),
            str(folder / "sub/b.WAV"): (None, None, None),
            str(folder / "sub/c.mp3"): (None, None, None),
        }
        assert all(item.size for item in corpus.items)


def test_rows_of_one_table_are_not_mixed(folder: Path) -> None:
    rows = [{"file_path": "a.wav", "speaker": ""}, {"file_path": "a.wav", "speaker": "s"}]
    write_csv(folder / "one.csv", rows)
    (item,) = find_inputs([f"{folder}/one.csv"]).items
    assert item.extra == ("a.wav", None)


def test_values_that_arrow_cannot_hold_are_escaped(folder: Path) -> None:
    rows = [{"file_path": "a.wav", "\ud800": "1", "note": "x\udcff", "more": ["\ud800"]}]
    write_jsonl(folder / "one.jsonl", rows)  # type: ignore[arg-type]  # a list on purpose
    corpus = find_inputs([f"{folder}/one.jsonl"])
    assert corpus.columns == ("\\ud800", "file_path", "more", "note")
    assert corpus.items[0].extra == ("1", "a.wav", '["\\ud800"]', "x\\udcff")


def test_clutter_is_passed_over_and_counted_in_folders_and_globs(folder: Path) -> None:
    for name in ("._a.wav", "sub/.git/x.wav", "__MACOSX/a.wav", "sub/@eaDir/b.wav", "sub/d.sph"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).touch()
    corpus = find_inputs([str(folder)])
    assert names(corpus, folder) == ["sub/b.WAV", "sub/c.mp3", "a.wav"]
    assert corpus.passed_over == {"hidden": 2, "of a system": 2, "of other kinds": 2}
    (remark,) = corpus.remarks
    assert "1 of other kinds (1 .sph)" in remark
    corpus = find_inputs([f"{folder}/**/*.wav"])
    assert names(corpus, folder) == ["a.wav"]
    assert corpus.passed_over == {"of a system": 2}
    named = [f"{folder}/__MACOSX/*.wav", f"{folder}/._a.wav", f"{folder}/sub/.git"]
    assert set(names(find_inputs(named), folder)) == {"__MACOSX/a.wav", "._a.wav", "sub/.git/x.wav"}


def test_a_folder_of_clutter_alone_holds_no_audio(tmp_path: Path) -> None:
    (tmp_path / "._a.wav").touch()
    with pytest.raises(DataError, match=r"\._a\.wav"):
        find_inputs([str(tmp_path)])


def test_a_table_of_a_spreadsheet_names_files_otherwise_than_the_disk(folder: Path) -> None:
    name = unicodedata.normalize("NFD", "감정.wav")
    (folder / name).touch()
    text = "sep=;\r\n File_Path ;Speaker;;\r\n감정.wav;안나;;\r\n;;;\r\nsub\\c.mp3;;;\r\n"
    (folder / "m: 1::2.csv").write_bytes(text.encode("utf-16"))
    found = find_inputs([f"{folder}/m: 1::2.csv", str(folder / "감정.wav")])
    assert names(found, folder) == ["sub/c.mp3", name]
    assert (found.columns, found.duplicates) == (("File_Path", "Speaker"), 1)


def test_a_name_that_is_too_long_is_not_there() -> None:
    with pytest.raises(DataError, match="no file"):
        find_inputs(["x" * 300 + ".wav"])


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("clips.csv", "path,speaker\na.wav,1\n", "needs a column file_path or file"),
        ("clips.csv", "file_path\n", "no rows"),
        ("clips.csv", "file_path,speaker\n,1\n", "line 2 of"),
        ("clips.csv", "sep=;\n\nfile_path;speaker\na.wav;\n;1\n", "line 5 of"),
        ("clips.jsonl", '{"file_path": "a.wav"}\n\n{"x": 1}\n', "line 3 of"),
        ("clips.csv", "file_path\na.wav,b.wav\n", "more values"),
        ("clips.csv", "file_path\n\udcff\n", "table"),
        ("clips.jsonl", '{"file_path": "a.wav"}\n[1]\n', "line 2"),
        ("clips.jsonl", "{", "table"),
        ("clips.jsonl", '{"file_path": "a.wav"}\n\n{"file_path": b"}\n', "line 3, column 15"),
        ("clips.jsonl", "{}\n" + "[" * 100_000, "line 2: "),
        ("clips.parquet", "PAR1", "table"),
    ],
)
def test_a_table_that_is_none_is_refused(tmp_path: Path, name: str, text: str, words: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8", errors="surrogateescape")
    with pytest.raises(DataError, match=words):
        find_inputs([str(tmp_path / name)])


@pytest.mark.parametrize(
    ("name", "words"),
    [("nowhere.wav", "no file"), ("*.wav", "no file matches"), ("", "holds no audio")],
)
def test_an_input_with_nothing_in_it_is_refused(tmp_path: Path, name: str, words: str) -> None:
    with pytest.raises(DataError, match=words):
        find_inputs([str(tmp_path / name)])
