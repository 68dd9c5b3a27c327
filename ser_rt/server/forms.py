"""`Form`: parser of a multipart form with one file and settings, in any order."""

from __future__ import annotations

from typing import BinaryIO

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header

from ser_rt.server.protocol import ProtocolError

MAX_PARTS = 32
MAX_TEXT_BYTES = 4_096
"""Of a setting, and of the header of a part: none comes near it."""

_FILE_NAMES = ("file", "audio")
_FILE_TYPES = (b"audio/", b"video/", b"application/octet-stream", b"application/ogg")


class Form:
    """Writes the file of a form to a file as it comes, and keeps its other fields.

    A file is a part with a file name, of a type of audio, or called ``file`` or ``audio``. One that
    is empty is none: pages send an input that was left alone as such.

    Attributes:
        fields: Names and values of all other parts.
    """

    def __init__(self, boundary: bytes, file: BinaryIO) -> None:
        self.fields: list[tuple[str, str]] = []
        self._file, self._file_label = file, ""
        self._file_part: int | None = None
        self._header, self._value = bytearray(), bytearray()
        self._headers: dict[bytes, bytes] = {}
        self._name, self._label, self._is_file, self._text = "", "", False, bytearray()
        self._parts, self._is_over = 0, False
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin,
                "on_header_field": lambda data, start, end: _add(self._header, data[start:end]),
                "on_header_value": lambda data, start, end: _add(self._value, data[start:end]),
                "on_header_end": self._end_header,
                "on_headers_finished": self._describe,
                "on_part_data": self._take,
                "on_part_end": self._end_part,
                "on_end": self._end,
            },
        )

    def feed(self, data: bytes) -> None:
        """Take some bytes of the form.

        Raises:
            ProtocolError: They are no form, or hold more than one file.
            OSError: The file cannot be written.
        """
        try:
            self._parser.write(data)
        except MultipartParseError as error:
            msg = f"the body is no multipart form: {error}"
            raise ProtocolError(msg, "bad_request") from error

    def finish(self) -> None:
        """Raise a `ProtocolError` if the form is not over yet."""
        if not self._is_over:
            msg = "the form is cut off: its last boundary is missing"
            raise ProtocolError(msg, "bad_request")

    def _begin(self) -> None:
        self._parts += 1
        if self._parts > MAX_PARTS:
            msg = f"a form may have {MAX_PARTS} fields"
            raise ProtocolError(msg, "bad_request")
        self._headers.clear()

    def _end_header(self) -> None:
        self._headers[bytes(self._header).lower()] = bytes(self._value)
        self._header.clear()
        self._value.clear()

    def _describe(self) -> None:
        disposition = self._headers.get(b"content-disposition", b"")
        _, options = parse_options_header(disposition)
        kind = self._headers.get(b"content-type", b"").lower()
        self._name = options.get(b"name", b"").decode("utf-8", "replace")
        is_named = b"filename" in options or b"filename*=" in disposition.lower()
        self._is_file = is_named or self._name in _FILE_NAMES or kind.startswith(_FILE_TYPES)
        file_name = options.get(b"filename", b"").decode("utf-8", "replace")
        self._label = (file_name or self._name)[:80]

    def _take(self, data: bytes, start: int, end: int) -> None:
        if not self._is_file:
            _add(self._text, data[start:end])
            return
        if self._file_part not in (None, self._parts):
            msg = f"one file at a time: the form holds {self._file_label!r} and {self._label!r}"
            raise ProtocolError(msg, "bad_request")
        self._file_part, self._file_label = self._parts, self._label
        self._file.write(data[start:end])

    def _end_part(self) -> None:
        if not self._is_file:
            self.fields.append((self._name, self._text.decode("utf-8", "replace")))
        self._text.clear()

    def _end(self) -> None:
        self._is_over = True


def _add(held: bytearray, more: bytes) -> None:
    if len(held) + len(more) > MAX_TEXT_BYTES:
        msg = f"a field of a form may have {MAX_TEXT_BYTES} bytes; a file needs a file name"
        raise ProtocolError(msg, "bad_request")
    held += more
