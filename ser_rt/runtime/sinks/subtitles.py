"""Sinks of segments: SRT subtitles, and the RTTM of diarisation tools."""

from __future__ import annotations

from pathlib import PurePath
from typing import TextIO

from ser_rt.runtime.episodes import EpisodeTracker, Lag
from ser_rt.runtime.event import EmotionEvent
from ser_rt.runtime.statistics import Summary


class SegmentSink:
    """Joins results into episodes, and writes each when it has ended; sources come in turn."""

    def __init__(self, output: TextIO, lag: Lag | None = None) -> None:
        """Write to ``output``; a lag is taken back from all times."""
        self._output, self._lag = output, lag
        self._trackers: dict[int | None, EpisodeTracker] = {}
        self._source: str | None = None
        self._count = 0

    def write(self, event: EmotionEvent) -> None:
        """Take an event."""
        if event.source != self._source:
            self._end()
            self._source = event.source
        tracker = self._trackers.setdefault(event.channel, EpisodeTracker(self._lag))
        self._write(tracker.update(event))

    def finish(self, summary: Summary) -> None:  # noqa: ARG002 (neither format has a place for it)
        """Write the episodes that have not ended."""
        self._end()

    def _end(self) -> None:
        for tracker in self._trackers.values():
            self._write(tracker.flush())
        self._trackers = {}

    def _write(self, episode: EmotionEvent | None) -> None:
        if episode is not None:
            self._count += 1
            self._output.write(self._text(episode))
            self._output.flush()

    def _text(self, episode: EmotionEvent) -> str:
        raise NotImplementedError


class SrtSink(SegmentSink):
    """Subtitles (SubRip): a caption for each episode."""

    def __init__(self, output: TextIO, lag: Lag | None = None, *, lang: str) -> None:
        """Write to ``output``, with the names of a language."""
        super().__init__(output, lag)
        self._lang = lang

    def _text(self, episode: EmotionEvent) -> str:
        name = episode.korean if self._lang == "ko" else episode.emotion
        times = f"{_srt_time(episode.start)} --> {_srt_time(episode.end)}"
        channel = "" if episode.channel is None else f"[{episode.channel}] "
        return f"{self._count}\n{times}\n{channel}{name} {episode.confidence:.0%}\n\n"


class RttmSink(SegmentSink):
    """Rich Transcription Time Marked (NIST): a line for each episode, the emotion as the name."""

    def __init__(self, output: TextIO, lag: Lag | None = None, *, name: str = "audio") -> None:
        """Write to ``output``, with the name of the recording for events that have none."""
        super().__init__(output, lag)
        self._name = name

    def _text(self, episode: EmotionEvent) -> str:
        # As diarisation tools name a file: without folder and suffix; fields have no blanks.
        source = "_".join(PurePath(episode.source or self._name).stem.split()) or "audio"
        seconds = episode.end - episode.start
        channel = episode.channel or 1
        where = f"{episode.start:.3f} {seconds:.3f} <NA> <NA>"
        return (
            f"SPEAKER {source} {channel} {where} {episode.emotion} {episode.confidence:.3f} <NA>\n"
        )


def _srt_time(seconds: float) -> str:
    milliseconds = round(1000 * seconds)
    minutes, milliseconds = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{milliseconds // 1000:02},{milliseconds % 1000:03}"
