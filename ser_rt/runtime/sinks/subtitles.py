"""Sinks of segments: SRT and WebVTT subtitles, and the RTTM of diarisation tools."""

from __future__ import annotations

import html
from pathlib import PurePath
from typing import TextIO

from ser_rt.runtime.episodes import EpisodeTracker, Lag
from ser_rt.runtime.event import EpisodeEvent, Event, TurnEvent
from ser_rt.runtime.statistics import Summary

Segment = EpisodeEvent | TurnEvent


class SegmentSink:
    """Writes turns, or episodes that it joins of results; sources come in turn.

    Live they are written as they end. Those of a recording are in the order in which they begin, as
    WebVTT asks for: with several channels all are written at its end.
    """

    def __init__(self, output: TextIO, lag: Lag | None = None, *, turns: bool = False) -> None:
        """Write to ``output``; a lag, which a recording has, is taken back from episodes."""
        self._output, self._lag, self._turns = output, lag, turns
        self._trackers: dict[int | None, EpisodeTracker] = {}
        self._source: str | None = None
        self._kept: list[Segment] = []
        self._count = 0

    def write(self, event: Event) -> None:
        """Take an event."""
        if event.source != self._source:
            self._end()
            self._source = event.source
        if self._turns:
            if event.type == "turn" and event.final:
                self._take(event)
            return
        tracker = self._trackers.setdefault(event.channel, EpisodeTracker(self._lag))
        self._take(tracker.update(event))

    def finish(self, summary: Summary) -> None:  # noqa: ARG002 (neither format has a place for it)
        """Write what is left, with the episodes that have not ended."""
        self._end()

    def _end(self) -> None:
        for tracker in self._trackers.values():
            self._take(tracker.flush())
        self._trackers = {}
        for segment in sorted(self._kept, key=lambda kept: kept.start):
            self._write(segment)
        self._kept = []

    def _take(self, segment: Segment | None) -> None:
        if segment is None:
            return
        if self._lag is None or segment.channel is None:
            self._write(segment)
        else:
            self._kept.append(segment)

    def _write(self, segment: Segment) -> None:
        self._count += 1
        self._output.write(self._text(segment))
        self._output.flush()

    def _text(self, segment: Segment) -> str:
        raise NotImplementedError


class SrtSink(SegmentSink):
    """Subtitles (SubRip): a caption for each segment."""

    _decimal = ","

    def __init__(
        self, output: TextIO, lag: Lag | None = None, *, lang: str, turns: bool = False
    ) -> None:
        """Write to ``output``, with the names of a language."""
        super().__init__(output, lag, turns=turns)
        self._lang = lang

    def _text(self, segment: Segment) -> str:
        name = segment.korean if self._lang == "ko" else segment.emotion
        times = f"{self._time(segment.start)} --> {self._time(segment.end)}"
        who = segment.channel_name or segment.channel
        channel = "" if who is None else f"[{who}] "
        return f"{self._count}\n{times}\n{channel}{name} {segment.confidence:.0%}\n\n"

    def _time(self, seconds: float) -> str:
        milliseconds = round(1000 * seconds)
        minutes, milliseconds = divmod(milliseconds, 60_000)
        hours, minutes = divmod(minutes, 60)
        rest = f"{milliseconds // 1000:02}{self._decimal}{milliseconds % 1000:03}"
        return f"{hours:02}:{minutes:02}:{rest}"


class VttSink(SrtSink):
    """Subtitles of the web (WebVTT): a cue for each segment."""

    _decimal = "."

    def __init__(
        self, output: TextIO, lag: Lag | None = None, *, lang: str, turns: bool = False
    ) -> None:
        """Write the header; arguments as of `SrtSink`."""
        super().__init__(output, lag, lang=lang, turns=turns)
        output.write("WEBVTT\n\n")

    def _text(self, segment: Segment) -> str:
        # A cue ends at a blank line, and these three are markup.
        return html.escape(super()._text(segment), quote=False).replace("--&gt;", "-->")


class RttmSink(SegmentSink):
    """Rich Transcription Time Marked (NIST): a line for each segment, the emotion as the name."""

    def __init__(
        self,
        output: TextIO,
        lag: Lag | None = None,
        *,
        name: str = "audio",
        turns: bool = False,
    ) -> None:
        """Write to ``output``, with the name of the recording for events that have none."""
        super().__init__(output, lag, turns=turns)
        self._name = name

    def _text(self, segment: Segment) -> str:
        # As diarisation tools name a file: without folder and suffix; fields have no blanks.
        source = "_".join(PurePath(segment.source or self._name).stem.split()) or "audio"
        seconds = segment.end - segment.start
        channel = segment.channel or 1
        where = f"{segment.start:.3f} {seconds:.3f} <NA> <NA>"
        return (
            f"SPEAKER {source} {channel} {where} {'_'.join(segment.emotion.split())} "
            f"{segment.confidence:.3f} <NA>\n"
        )
