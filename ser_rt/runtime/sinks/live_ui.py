"""`LiveUi`, a display of the current emotion, the last minute, level and latency.

It needs rich, so it is imported only where a display is wanted. It has the terminal's second
screen to itself, so that a resize leaves nothing behind and the first one stays as it was.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import ExitStack, suppress
from typing import Self

import numpy as np
from rich.console import Console, Group
from rich.live import Live

from ser_rt.audio.chunk import AudioChunk
from ser_rt.constants import HOP_S
from ser_rt.runtime.engine import StreamEngine
from ser_rt.runtime.episodes import EpisodeTracker
from ser_rt.runtime.event import Event
from ser_rt.runtime.sinks.live_picture import FLOOR_DBFS, STRIP_S, Cell, Scene, draw
from ser_rt.runtime.sinks.terminal import messages_kept, stopped_with_the_program
from ser_rt.runtime.sinks.text import TextLines
from ser_rt.runtime.sinks.words import warning_text
from ser_rt.runtime.statistics import Percentiles, Summary

FRAMES_PER_SECOND = 6
NOTICE_S = 10.0
"""A warning stays in sight for this long."""
SILENT_S = 2.0
"""Without audio for so long, the level and the speech are not known."""

FAULTS = {"device_lost": "device_back", "stream_lost": "stream_back", "degraded": "recovered"}
"""These stay in sight until their opposites come."""


class LiveUi:
    """A `Sink` that draws, at most `FRAMES_PER_SECOND` times a second."""

    def __init__(
        self,
        labels: Iterable[str],
        sample_rate: int,
        *,
        lang: str = "en",
        hop_s: float | None = None,
        stats: bool = False,
        console: Console | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Draw on the terminal, with names of a language; ``hop_s`` is between results."""
        self._labels, self._sample_rate = tuple(labels), sample_rate
        self._lang, self._stats, self._clock = lang, stats, clock
        self._cells: deque[Cell] = deque(maxlen=math.ceil(STRIP_S / (hop_s or HOP_S)) + 1)
        self._console = console or Console(highlight=False)
        self._episodes = EpisodeTracker()
        self._event: Event | None = None
        self._notice: tuple[float, str] | None = None
        self._fault: tuple[str, str] | None = None
        self._latency, self._count = Percentiles(), 0
        self._level_dbfs = FLOOR_DBFS
        self._audio_s = 0.0
        self._sound_at: float | None = None
        self._engine: StreamEngine | None = None
        self._opened = ExitStack()
        self._live = Live(
            console=self._console,
            refresh_per_second=FRAMES_PER_SECOND,
            get_renderable=self.picture,
            screen=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def __enter__(self) -> Self:
        # What others print comes on the first screen, after this one has gone.
        self._opened.enter_context(messages_kept(self._say))
        self._opened.enter_context(stopped_with_the_program(self._live.stop, self._live.start))
        self._live.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        with suppress(OSError):
            self._live.stop()
        self._opened.close()

    def meter(self, engine: StreamEngine) -> Callable[[AudioChunk], None]:
        """Return a function that takes the audio of an engine, to show how loud it is."""
        self._engine = engine
        return self._measure

    def write(self, event: Event) -> None:
        """Take an event."""
        if event.type == "warning":
            self._warn(event.code or "", warning_text(event, self._lang))
            return
        if event.type not in ("emotion", "no_speech"):
            return
        start_s = self._cells[-1].end_s if self._cells else event.start
        start_s = max(start_s, event.start)
        self._cells.append(Cell(start_s, event.end, event.emotion, event.confidence or 0.0))
        self._episodes.update(event)
        self._event = event
        self._count += 1
        if event.latency_ms:
            self._latency.add(event.latency_ms["total"])

    def finish(self, summary: Summary) -> None:
        """Stop drawing, and print the summary."""
        self.__exit__()
        lines = TextLines(self._labels, lang=self._lang, color=False)
        for line in lines.summary(summary, stats=self._stats):
            self._console.print(line, markup=False)

    def picture(self) -> Group:
        """Return the current picture."""
        now = self._clock()
        notice = self._notice if self._notice and now - self._notice[0] < NOTICE_S else None
        text = self._fault[1] if self._fault else notice[1] if notice else ""
        is_late = self._sound_at is not None and now - self._sound_at > SILENT_S
        is_lost = self._fault is not None and self._fault[0] in ("device_lost", "stream_lost")
        scene = Scene(
            labels=self._labels,
            lang=self._lang,
            event=None if is_lost else self._event,
            episode=self._episodes.now,
            cells=tuple(self._cells),  # it is drawn in another thread
            level_dbfs=self._level_dbfs,
            speech=0.0 if self._engine is None else self._engine.speech_now,
            has_sound=not (is_late or is_lost),
            audio_s=self._audio_s,
            count=self._count,
            behind_ms=(self._latency.at(50), self._latency.at(95)),
            notice=text,
            is_fault=self._fault is not None,
        )
        return draw(scene, self._console)

    def _say(self, line: str) -> None:
        self._notice = (self._clock(), line)

    def _warn(self, code: str, text: str) -> None:
        self._say(text)
        if code in FAULTS:
            self._fault = (code, text)
        elif code in FAULTS.values():
            self._fault = None

    def _measure(self, chunk: AudioChunk) -> None:
        if len(chunk.samples):
            square = float(np.dot(chunk.samples, chunk.samples)) / len(chunk.samples)
            level = max(FLOOR_DBFS, 10 * math.log10(square + 1e-12))
            self._level_dbfs = max(level, self._level_dbfs - 1.0)
            self._audio_s = chunk.start / self._sample_rate
            self._sound_at = self._clock()
