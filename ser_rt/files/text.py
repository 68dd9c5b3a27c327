"""Text and tables as editors and spreadsheets save them, on whatever system."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterable
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

from ser_rt.files.names import printable

PATH_COLUMNS = ("file_path", "file")
"""Columns of a table of files that may hold the path; the first that there is counts."""

_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_DELIMITERS = ",;\t"
_EXCEL_DELIMITER = re.compile(r'"?sep=(.)"?', re.IGNORECASE)
_END_OF_DOS = "\x1a"
"""Control-Z, which some programs of Windows put at the end of a text."""
_ARCHIVE = b"PK\x03\x04"


class CsvTable(NamedTuple):
    """Columns and rows of a CSV file."""

    columns: tuple[str, ...]
    rows: list[tuple[int, dict[str, str]]]
    """Of each row its line, counted from 1, and its values by column; missing ones are empty."""


def decode(content: bytes) -> str:
    """Decode UTF-8, with a byte order mark or without, or UTF-16 or UTF-32 with one.

    Raises:
        ValueError: it is none of them (`UnicodeDecodeError`), or not text.
    """
    if content.startswith(_ARCHIVE):
        msg = "it is a workbook or an archive, not text: save it as 'CSV UTF-8'"
        raise ValueError(msg)
    encoding = next((name for mark, name in _MARKS if content.startswith(mark)), "utf-8")
    text = content.decode(encoding).lstrip("\ufeff").rstrip(_END_OF_DOS)
    if "\0" in text:
        msg = "it is not text, or UTF-16 without a byte order mark: save it as UTF-8"
        raise ValueError(msg)
    return text


def read_text(path: Path) -> str:
    """Read a text file whole, as `decode` does; its lines end with a line feed.

    Raises:
        OSError: it cannot be read.
        ValueError: as of `decode`.
    """
    return _with_line_feeds(decode(path.read_bytes()))


def trouble_of_line(text: object, longest: int = 500) -> str | None:
    """Return why no user interface could show a text as a line; None if every one can.

    >>> trouble_of_line("Not for commercial use."), trouble_of_line("")
    (None, "must be text, not ''")
    """
    if not isinstance(text, str) or not text.strip():
        return f"must be text, not {text!r}"
    if printable(text) != text:
        return f"must be one line without control characters, not {text[:80]!r}"
    if len(text) > longest:
        return f"must have at most {longest} characters, not {len(text)}"
    return None


def parse_csv(content: bytes) -> CsvTable:
    r"""Read a table with a header: comma, semicolon or tab between values, any ends of lines.

    Rows without any value are none, columns without a name neither. Excel's ``sep=;`` is obeyed.

    >>> parse_csv(b"\xef\xbb\xbffile_path;emotion\r\na.wav;Joy\r\n;\r\n").rows
    [(2, {'file_path': 'a.wav', 'emotion': 'Joy'})]

    Raises:
        ValueError: as of `decode`; a quotation mark is not closed, two columns have one name, or a
            row has more values than there are columns.
    """
    text = _with_line_feeds(decode(content))
    first, _, rest = text.partition("\n")
    declared = _EXCEL_DELIMITER.fullmatch(first)
    text, skipped = (rest, 1) if declared else (text, 0)
    delimiter = declared[1] if declared else _delimiter(text)
    lines = csv.reader(io.StringIO(text), delimiter=delimiter, skipinitialspace=True, strict=True)
    columns: list[str] | None = None
    rows: list[tuple[int, dict[str, str]]] = []
    try:
        for values in lines:
            if not any(map(str.strip, values)):
                continue
            if columns is None:
                columns = _columns(values)
                continue
            number = skipped + lines.line_num
            if any(map(str.strip, values[len(columns) :])):
                msg = f"line {number} has more values than there are columns: {values}"
                raise ValueError(msg)
            named = zip_longest(columns, values[: len(columns)], fillvalue="")
            rows.append((number, {column: value for column, value in named if column}))
    except csv.Error as error:
        msg = f"line {skipped + lines.line_num}: {error}"
        raise ValueError(msg) from error
    return CsvTable(tuple(filter(None, columns or ())), rows)


def format_csv(columns: Iterable[str], rows: Iterable[Iterable[object]]) -> bytes:
    r"""Return a table with a header as UTF-8, commas between values, lines end with a line feed.

    >>> format_csv(("file_path", "emotion"), [("a.wav", "Joy, mostly")])
    b'file_path,emotion\na.wav,"Joy, mostly"\n'
    """
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([columns, *rows])
    return text.getvalue().encode("utf-8", "backslashreplace")


def pick_column(columns: Iterable[str], *names: str) -> str | None:
    """Return the first of the names that is a column, in whatever case; None if none is."""
    columns = list(columns)
    folded = {column.casefold(): column for column in reversed(columns)}
    for name in names:
        if name in columns:
            return name
        if name.casefold() in folded:
            return folded[name.casefold()]
    return None


def _columns(header: list[str]) -> list[str]:
    columns = [name.strip() for name in header]
    for name in filter(None, columns):
        if columns.count(name) > 1:
            msg = f"two columns have the name {name!r}"
            raise ValueError(msg)
    return columns


def _delimiter(text: str) -> str:
    header = next((line for line in text.split("\n") if line.strip(_DELIMITERS + " ")), "")
    unquoted = re.sub(r'"[^"]*"', "", header)
    return max(_DELIMITERS, key=unquoted.count)


def _with_line_feeds(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")
