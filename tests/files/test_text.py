"""Tables as editors and spreadsheets save them."""

from __future__ import annotations

import codecs
import csv
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ser_rt.files.text import decode, parse_csv, pick_column, read_text

TEXT = 'file_path,emotion\r\n"a, b.wav",Joy\r\n감정.wav,분노\r\n'
ROWS = [
    {"file_path": "a, b.wav", "emotion": "Joy"},
    {"file_path": "감정.wav", "emotion": "분노"},
]


def rows_of(content: bytes) -> list[dict[str, str]]:
    return [row for _, row in parse_csv(content).rows]


@pytest.mark.parametrize(
    "content",
    [
        TEXT.encode(),
        TEXT.encode("utf-8-sig"),
        b"\xef\xbb\xbf" + TEXT.encode("utf-8-sig"),
        codecs.BOM_UTF16_LE + TEXT.encode("utf-16-le"),
        codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"),
        codecs.BOM_UTF32_LE + TEXT.encode("utf-32-le"),
        TEXT.replace("\r\n", "\r").encode(),
        TEXT.replace("\r\n", "\n").encode(),
        TEXT.replace("\r\n", "\n").rstrip("\n").encode(),
        TEXT.encode() + b"\x1a",
        ("sep=,\r\n" + TEXT).encode(),
        ("\r\n,\r\n" + TEXT).encode(),
        (TEXT + ",\r\n , \r\n\r\n,,,,\r\n").encode(),
        TEXT.replace("Joy\r\n", "Joy\r\n,\r\n\r\n").encode(),
        TEXT.replace("file_path,emotion", " file_path , emotion ").encode(),
        TEXT.replace("\r\n", ",,\r\n").encode(),
    ],
)
def test_a_table_is_read_whoever_saved_it(content: bytes) -> None:
    table = parse_csv(content)
    assert table.columns == ("file_path", "emotion")
    assert [row for _, row in table.rows] == ROWS


@pytest.mark.parametrize("delimiter", [";", "\t"])
@pytest.mark.parametrize("first", ["", "sep={}\r\n", '"sep={}"\r\n'])
def test_other_delimiters_are_told_or_seen(delimiter: str, first: str) -> None:
    text = TEXT.replace('"a, b.wav"', "a, b.wav").replace("wav,", f"wav{delimiter}")
    text = text.replace("file_path,", f"file_path{delimiter}")
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        assert rows_of((first.format(delimiter) + text).encode(encoding)) == ROWS


def test_rows_know_their_lines() -> None:
    content = b'sep=,\nfile_path,note\na.wav,"two\nlines"\n,\nb.wav,\n'
    assert [line for line, _ in parse_csv(content).rows] == [4, 6]


def test_lines_end_only_where_tables_end_them() -> None:
    text = "file_path,note\na.wav,one\u2028two\x85three\x0cfour\n"
    assert rows_of(text.encode()) == [
        {"file_path": "a.wav", "note": "one\u2028two\x85three\x0cfour"}
    ]


def test_a_short_row_is_empty_where_it_ends_and_columns_without_a_name_are_none() -> None:
    assert rows_of(b",file_path,emotion\n0,a.wav\n") == [{"file_path": "a.wav", "emotion": ""}]
    assert parse_csv(b"").rows == parse_csv(b"\xef\xbb\xbf").rows == parse_csv(b",,\n").rows == []


@pytest.mark.parametrize(
    ("content", "word"),
    [
        ("감정".encode("cp949"), "utf-8"),
        ("a,b\n1,2\n".encode("utf-16-le"), "byte order mark"),
        (b"PK\x03\x04 xl/workbook.xml", "a workbook"),
        (b"a,b\n1,2,3\n", "line 2"),
        (b'a,b\n1,"2\n3,4\n', "line 3: unexpected end of data"),
        (b"a, a\n1,2\n", "two columns"),
    ],
)
def test_what_is_no_table_is_refused(content: bytes, word: str) -> None:
    with pytest.raises(ValueError, match=word):
        parse_csv(content)


@given(
    st.lists(
        st.lists(
            st.text(st.characters(codec="utf-8", exclude_characters="\0\r")), min_size=2, max_size=2
        ),
        min_size=1,
    )
)
def test_what_csv_writes_is_read(values: list[list[str]]) -> None:
    text = io.StringIO(newline="")
    csv.writer(text).writerows([["one", "two"], *values])
    kept = [row for row in values if any(value.strip() for value in row)]
    found = rows_of(text.getvalue().encode("utf-8-sig"))
    assert [[value.lstrip(" ") for value in row] for row in kept] == [
        list(r.values()) for r in found
    ]


def test_columns_are_found_in_any_case() -> None:
    assert pick_column(["Emotion", "FILE"], "file_path", "file") == "FILE"
    assert pick_column(["File", "file"], "file") == "file"
    assert pick_column(["path"], "file_path", "file") is None


def test_a_text_is_read_with_its_mark_and_any_ends_of_lines(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes("hop = 1\r\nx = '감'\r".encode("utf-16"))
    assert read_text(tmp_path / "a") == "hop = 1\nx = '감'\n"
    with pytest.raises(ValueError, match="not text"):
        decode(b"a\0b")
