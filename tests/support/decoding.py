"""Decoding of bytes as a file and as a pipe, and what came of it."""

from __future__ import annotations

import io
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from ser_rt.audio.decoding.decoders import open_stream
from ser_rt.audio.sources.file import FileSource
from ser_rt.errors import AudioDecodeError
from tests.conftest import RATE

FRAME_S = 0.13
"""Codecs add silence at both ends: up to some frames."""


class Decoded(NamedTuple):
    """Spans of audio in seconds, codes of warnings, and what was wrong at the end."""

    spans: list[tuple[float, float]]
    codes: list[str]
    problem: str

    @property
    def end_s(self) -> float:
        return self.spans[-1][1] if self.spans else 0.0

    @property
    def is_reported(self) -> bool:
        return bool(self.problem or self.codes)


def _written(folder: str, name: str, data: bytes) -> Path:
    path = Path(folder, name)
    path.write_bytes(data)
    return path


def decode_file(data: bytes, name: str = "recording") -> Decoded:
    """Decode bytes as a file."""
    spans: list[list[int]] = []
    codes: list[str] = []
    problem = ""

    try:
        with TemporaryDirectory() as folder, FileSource(_written(folder, name, data)) as source:
            for chunk in source:
                codes += [warning.code for warning in chunk.warnings]
                end = chunk.start + len(chunk.samples)
                if spans and abs(chunk.start - spans[-1][1]) < 2:
                    spans[-1][1] = end
                elif len(chunk.samples):
                    spans.append([chunk.start, end])
    except AudioDecodeError as error:
        problem = str(error)
        assert problem
        assert "\n" not in problem
    return Decoded([(a / RATE, b / RATE) for a, b in spans], codes, problem)


class Drops:
    """A pipe that gives some bytes at a time."""

    def __init__(self, data: bytes, size: int) -> None:
        self._data, self._size = io.BytesIO(data), size

    def read(self, size: int, /) -> bytes:
        return self._data.read(min(size, self._size))


def decode_pipe(data: bytes, size: int = 4_000) -> Decoded:
    """Decode bytes as they come."""
    spans: list[tuple[float, float]] = []
    codes: list[str] = []
    problem, end_s = "", 0.0
    try:
        decoder = open_stream(Drops(data, size), "the pipe")
        try:
            for block in decoder.blocks(0.1):
                codes += [warning.code for warning in block.warnings]
                end_s = max(end_s, block.start_s + len(block.samples) / block.sample_rate)
        finally:
            decoder.close()
    except AudioDecodeError as error:
        problem = str(error)
    spans = [(0.0, end_s)]
    return Decoded(spans, codes, problem)
