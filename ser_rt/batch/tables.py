"""Schemas of the Parquet files that a batch writes (docs/batch.md): a stable interface."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from ser_rt.runtime.event import Event

MANIFEST_PREFIX = "manifest_"
"""Before the name of a column that came from a table of files."""

_BATCH_ROWS = 512


@dataclass(frozen=True)
class More:
    """Columns of windows and turns that not every run has: dimensions, and the embedding."""

    dimensions: tuple[str, ...] = ()
    embedding: bool = False

    def fields(self) -> list[pa.Field]:
        """Return the columns."""
        found = [pa.field(name, pa.float32()) for name in self.dimensions]
        return [*found, *([pa.field("embedding", pa.list_(pa.float32()))] * self.embedding)]

    def values(self, event: Event) -> dict[str, Any]:
        """Return the values of an event in them."""
        found: dict[str, Any] = {name: event.dimensions.get(name) for name in self.dimensions}
        return found | ({"embedding": event.embedding} if self.embedding else {})


NO_MORE = More()


def windows_schema(labels: Sequence[str], more: More = NO_MORE) -> pa.Schema:
    """Return the columns of ``windows/``, one row a window."""
    return pa.schema(
        [
            pa.field("path", pa.string(), nullable=False),
            pa.field("index", pa.int32(), nullable=False),
            pa.field("start_s", pa.float64(), nullable=False),
            pa.field("end_s", pa.float64(), nullable=False),
            pa.field("emotion", pa.string()),
            pa.field("confidence", pa.float32()),
            *(pa.field(f"p_{label}", pa.float32()) for label in labels),
            pa.field("speech", pa.float32(), nullable=False),
            pa.field("is_partial", pa.bool_(), nullable=False),
            pa.field("channel", pa.int16()),
            *more.fields(),
        ]
    )


def turns_schema(labels: Sequence[str], more: More = NO_MORE) -> pa.Schema:
    """Return the columns of ``turns/``, one row a turn."""
    return pa.schema(
        [
            pa.field("path", pa.string(), nullable=False),
            pa.field("id", pa.int32(), nullable=False),
            pa.field("channel", pa.int16()),
            pa.field("channel_name", pa.string()),
            pa.field("start_s", pa.float64(), nullable=False),
            pa.field("end_s", pa.float64(), nullable=False),
            pa.field("emotion", pa.string(), nullable=False),
            pa.field("confidence", pa.float32(), nullable=False),
            *(pa.field(f"p_{label}", pa.float32()) for label in labels),
            pa.field("speech_s", pa.float64(), nullable=False),
            pa.field("loudness_dbfs", pa.float32(), nullable=False),
            pa.field("onset_s", pa.float64(), nullable=False),
            pa.field("peak_s", pa.float64(), nullable=False),
            pa.field("peak_confidence", pa.float32(), nullable=False),
            pa.field("is_cut", pa.bool_(), nullable=False),
            pa.field("is_speaker_change", pa.bool_(), nullable=False),
            *more.fields(),
        ]
    )


def files_schema(labels: Sequence[str], columns: Sequence[str] = ()) -> pa.Schema:
    """Return the columns of ``files/``, one row a file; ``columns`` are those of its table."""
    return pa.schema(
        [
            pa.field("path", pa.string(), nullable=False),
            pa.field("duration_s", pa.float64(), nullable=False),
            pa.field("windows", pa.int32(), nullable=False),
            pa.field("speech_windows", pa.int32(), nullable=False),
            pa.field("speech_share", pa.float32()),
            pa.field("emotion", pa.string()),
            pa.field("confidence", pa.float32()),
            *(pa.field(f"p_{label}", pa.float32()) for label in labels),
            pa.field("error_code", pa.string()),
            pa.field("error", pa.string()),
            pa.field("elapsed_s", pa.float64(), nullable=False),
            *(pa.field(MANIFEST_PREFIX + column, pa.string()) for column in columns),
        ]
    )


class Rows:
    """Collects the rows of one file, packed: about 60 bytes each."""

    def __init__(self, schema: pa.Schema) -> None:
        """Begin a file."""
        self._schema = schema
        self._rows: list[dict[str, Any]] = []
        self._batches: list[pa.RecordBatch] = []

    def append(self, row: dict[str, Any]) -> None:
        """Take a row."""
        self._rows.append(row)
        if len(self._rows) == _BATCH_ROWS:
            self._pack()

    def packed(self) -> bytes:
        """Return all rows as an Arrow IPC stream."""
        self._pack()
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, self._schema) as writer:
            for batch in self._batches:
                writer.write_batch(batch)
        packed: bytes = sink.getvalue().to_pybytes()
        return packed

    def _pack(self) -> None:
        if self._rows:
            self._batches.append(pa.RecordBatch.from_pylist(self._rows, self._schema))
            self._rows = []


class TurnRows(Rows):
    """Collects the turns of one file."""

    def __init__(self, path: str, labels: Sequence[str], more: More = NO_MORE) -> None:
        """Begin with the file ``path``, as it shall be written."""
        super().__init__(turns_schema(labels, more))
        self._path, self._more = path, more

    def add(self, event: Event) -> None:
        """Take the event of a turn; others are none."""
        if event.type == "turn":
            row = {
                "path": self._path,
                "id": event.id,
                "channel": event.channel,
                "channel_name": event.channel_name,
                "start_s": event.start,
                "end_s": event.end,
                "emotion": event.emotion,
                "confidence": event.confidence,
                "speech_s": event.speech,
                "loudness_dbfs": event.loudness,
                "onset_s": event.onset,
                "peak_s": event.peak,
                "peak_confidence": event.peak_confidence,
                "is_cut": event.cut,
                "is_speaker_change": event.speaker_change,
            }
            row |= {f"p_{label}": p for label, p in event.probabilities.items()}
            self.append(row | self._more.values(event))


class WindowRows(Rows):
    """Collects the windows of one file."""

    def __init__(self, path: str, labels: Sequence[str], more: More = NO_MORE) -> None:
        """Begin with the file ``path``, as it shall be written."""
        super().__init__(windows_schema(labels, more))
        self._path, self._more = path, more
        self.count = self.speech_count = 0

    def add(self, event: Event) -> None:
        """Take an event of a window; others are none."""
        if event.type not in ("emotion", "no_speech"):
            return
        row = {
            "path": self._path,
            "index": self.count,
            "start_s": event.start,
            "end_s": event.end,
            "emotion": event.emotion,
            "confidence": event.confidence,
            "speech": event.speech,
            "is_partial": event.partial,
            "channel": event.channel,
        }
        for label, probability in event.probabilities.items():
            row[f"p_{label}"] = probability
        self.count += 1
        self.speech_count += event.type == "emotion"
        self.append(row | self._more.values(event))


def unpacked(packed: bytes) -> pa.Table:
    """Return the rows of an Arrow IPC stream."""
    return pa.ipc.open_stream(packed).read_all()
