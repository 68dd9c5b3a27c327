"""Sinks, which write events: one function or class per format, one entry each in `SINKS`."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Generic, Protocol, TextIO, TypeVar

from ser_rt.runtime.episodes import Lag
from ser_rt.runtime.event import Event
from ser_rt.runtime.sinks.subtitles import RttmSink, SrtSink, VttSink
from ser_rt.runtime.sinks.text import TextLines
from ser_rt.runtime.statistics import Summary


@dataclass(frozen=True)
class SinkSettings:
    """Format of the output.

    Attributes:
        labels: English names of the model's emotions.
        lang: Which name leads, and the language of the summary: ``en`` or ``ko``.
        timing: Whether to write latencies; without, the same audio gives the same bytes.
        stats: Whether the summary names every part of the latency.
        color: Whether the output is a terminal that shows colour.
        top_k: How many emotions to name; None for all.
        turns: Whether turns are among the events: subtitles are of them then.
        names: Whether channels have names.
        dimensions: What the model also rates.
        speakers: Whether changes of speaker end turns.
        lag: What is taken back from the times of episodes; None live.
        name: Of the recording, where there is one.
    """

    labels: tuple[str, ...] = ()
    lang: str = "en"
    timing: bool = True
    stats: bool = False
    color: bool = False
    top_k: int | None = None
    turns: bool = False
    names: bool = False
    dimensions: tuple[str, ...] = ()
    speakers: bool = False
    lag: Lag | None = None
    name: str = "audio"


class Sink(Protocol):
    """Writes events, each as soon as it comes."""

    def write(self, event: Event) -> None:
        """Write an event."""
        ...

    def finish(self, summary: Summary) -> None:
        """Write the summary."""
        ...


S = TypeVar("S", bound=Sink)


class LazySink(Generic[S]):
    """A sink that opens when it is first used: a run without audio overwrites nothing."""

    def __init__(self, open_sink: Callable[[], S]) -> None:
        self._open_sink = open_sink

    @cached_property
    def sink(self) -> S:
        """The open sink."""
        return self._open_sink()

    def write(self, event: Event) -> None:
        """Write an event."""
        self.sink.write(event)

    def finish(self, summary: Summary) -> None:
        """Write the summary, if anything was written before."""
        if "sink" in vars(self):
            self.sink.finish(summary)


class JsonLinesSink:
    """One JSON object a line; the last is the summary."""

    def __init__(self, output: TextIO, settings: SinkSettings) -> None:
        self._output, self._timing, self._top_k = output, settings.timing, settings.top_k

    def write(self, event: Event) -> None:
        """Write an event."""
        self._line(event.to_json(timing=self._timing, top_k=self._top_k))

    def finish(self, summary: Summary) -> None:
        """Write the summary."""
        self._line(summary.to_json(timing=self._timing))

    def _line(self, text: str) -> None:
        self._output.write(text + "\n")
        self._output.flush()


class CsvSink:
    """A table with one column per emotion; it has no summary."""

    def __init__(self, output: TextIO, settings: SinkSettings) -> None:
        self._output, self._timing, self._top_k = output, settings.timing, settings.top_k
        columns = ["source", "channel", *(["channel_name"] if settings.names else [])]
        columns += ["type", "seq", "start", "end", "emotion", "confidence"]
        columns += (*settings.labels, *settings.dimensions)
        columns += ["speech", "partial", "peak"]
        if settings.turns:
            columns += ["id", "loudness", "onset", "peak_confidence", "cut", "final"]
            columns += ["speaker_change"] if settings.speakers else []
        columns += [*(["latency_ms"] if settings.timing else []), "code", "message"]
        self._rows = csv.DictWriter(output, columns, extrasaction="ignore", lineterminator="\n")
        self._rows.writeheader()
        output.flush()

    def write(self, event: Event) -> None:
        """Write an event."""
        row = event.to_dict(timing=self._timing, top_k=self._top_k)
        row |= row.pop("probabilities", {}) | row.pop("dimensions", {})
        if self._timing and event.latency_ms:
            row["latency_ms"] = event.latency_ms["total"]
        self._rows.writerow(row)
        self._output.flush()

    def finish(self, summary: Summary) -> None:
        """Write nothing: a table has rows of one kind."""


class TextSink:
    """Lines for people."""

    def __init__(self, output: TextIO, settings: SinkSettings) -> None:
        self._output = output
        self._stats = settings.stats
        self._lines = TextLines(
            settings.labels,
            lang=settings.lang,
            timing=settings.timing,
            color=settings.color,
            top_k=settings.top_k,
        )

    def write(self, event: Event) -> None:
        """Write an event."""
        self._output.write(self._lines.event(event) + "\n")
        self._output.flush()

    def finish(self, summary: Summary) -> None:
        """Write the summary."""
        for line in self._lines.summary(summary, stats=self._stats):
            self._output.write(line + "\n")
        self._output.flush()


SINKS: dict[str, Callable[[TextIO, SinkSettings], Sink]] = {
    "text": TextSink,
    "jsonl": JsonLinesSink,
    "csv": CsvSink,
    "srt": lambda output, s: SrtSink(output, s.lag, lang=s.lang, turns=s.turns),
    "vtt": lambda output, s: VttSink(output, s.lag, lang=s.lang, turns=s.turns),
    "rttm": lambda output, s: RttmSink(output, s.lag, name=s.name, turns=s.turns),
}
