"""`LiveUi`, a display of the current emotion, the last minute, level and latency.

It needs rich, so it is imported only where a display is wanted.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Self

import numpy as np
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from ser_rt.audio.chunk import AudioChunk
from ser_rt.constants import HOP_S
from ser_rt.runtime.engine import StreamEngine
from ser_rt.runtime.episodes import EpisodeTracker
from ser_rt.runtime.event import UNSURE, EmotionEvent
from ser_rt.runtime.sinks.text import TextLines, bar, clock_time, display_width, names_of
from ser_rt.runtime.statistics import Percentiles, Summary

FRAMES_PER_SECOND = 6
STRIP_S = 60.0
FLOOR_DBFS = -60.0
NOTICE_S = 10.0
"""A warning stays in sight for this long."""

FAULTS = {"device_lost": "device_back", "stream_lost": "stream_back", "degraded": "recovered"}
"""These stay in sight until their opposites come."""

COLORS = {
    "Neutral": "white",
    "Angry": "red",
    "Joy": "yellow",
    "Sad": "blue",
    "Fear": "magenta",
    "Surprise": "cyan",
    UNSURE: "bright_black",
}
_WORDS = {
    "en": {"level": "level", "speech": "speech", "quiet": "quiet", "minute": "last minute",
           "since": "since", "silence": "nobody speaks", "listening": "listening",
           "behind": "behind", "events": "events", "well": "all well"},
    "ko": {"level": "음량", "speech": "말소리", "quiet": "조용함", "minute": "최근 1분",
           "since": "시작", "silence": "말소리 없음", "listening": "듣는 중",
           "behind": "지연", "events": "이벤트", "well": "이상 없음"},
}  # fmt: skip


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
        """Draw on the terminal, with names of a language, cells of the strip a hop apart."""
        self._labels, self._sample_rate = tuple(labels), sample_rate
        self._lang, self._words = lang, _WORDS[lang]
        self._stats, self._clock = stats, clock
        self._strip: deque[tuple[str, float]] = deque(maxlen=round(STRIP_S / (hop_s or HOP_S)))
        self._console = console or Console(highlight=False)
        self._episodes = EpisodeTracker()
        self._event: EmotionEvent | None = None
        self._notice: tuple[float, str] | None = None
        self._fault: str | None = None
        self._latency, self._count = Percentiles(), 0
        self._level_dbfs = self._peak_dbfs = FLOOR_DBFS
        self._audio_s = 0.0
        self._engine: StreamEngine | None = None
        self._live = Live(
            console=self._console,
            refresh_per_second=FRAMES_PER_SECOND,
            get_renderable=self.picture,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=True,
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        with suppress(OSError):
            self._live.stop()

    def meter(self, engine: StreamEngine) -> Callable[[AudioChunk], None]:
        """Return a function that takes the audio of an engine, to show how loud it is."""
        self._engine = engine
        return self._measure

    def write(self, event: EmotionEvent) -> None:
        """Take an event."""
        if event.type == "warning":
            self._warn(event.code or "", f"{event.code}: {event.message}")
            return
        if event.type in {"episode", "turn"}:
            return
        self._episodes.update(event)
        self._event = event
        self._count += 1
        if event.latency_ms:
            self._latency.add(event.latency_ms["total"])
        self._strip.append((event.emotion or "", event.confidence or 0.0))

    def finish(self, summary: Summary) -> None:
        """Stop drawing, and print the summary."""
        self.__exit__()
        lines = TextLines(self._labels, lang=self._lang, color=False)
        for line in lines.summary(summary, stats=self._stats):
            self._console.print(line, markup=False)

    def picture(self) -> Group:
        """Return the current picture."""
        width = min(self._console.width, 100)
        return Group(
            self._signal(width),
            Text(),
            self._bars(width),
            Text(),
            self._minute(width),
            self._episode(),
            self._footer(width),
        )

    def _warn(self, code: str, text: str) -> None:
        self._notice = (self._clock(), text)
        if code in FAULTS:
            self._fault = text
        elif code in FAULTS.values():
            self._fault = None

    def _measure(self, chunk: AudioChunk) -> None:
        if len(chunk.samples):
            square = float(np.dot(chunk.samples, chunk.samples)) / len(chunk.samples)
            level = max(FLOOR_DBFS, 10 * math.log10(square + 1e-12))
            self._level_dbfs = max(level, self._level_dbfs - 1.0)
            self._peak_dbfs = max(level, self._peak_dbfs - 0.15)
            self._audio_s = chunk.start / self._sample_rate

    def _signal(self, width: int) -> Text:
        room = max(10, width - 34)
        share = 1 - self._level_dbfs / FLOOR_DBFS
        color = "red" if self._level_dbfs > -3 else "yellow" if self._level_dbfs > -12 else "green"
        text = Text(f"{self._words['level']} ", style="dim")
        text.append(bar(share, room), style=f"{color} on grey15")
        text.append(f" {self._level_dbfs:4.0f} dB  ")
        speech = 0.0 if self._engine is None else self._engine.speech_now
        is_speech = speech >= 0.5
        text.append("● ", style="bold green" if is_speech else "bright_black")
        word = self._words["speech" if is_speech else "quiet"]
        text.append(f"{word} {speech:.0%}", style="" if is_speech else "bright_black")
        return text

    def _bars(self, width: int) -> Table:
        names = {label: " ".join(names_of(label, self._lang)) for label in self._labels}
        longest = max(map(display_width, names.values()))
        table = Table.grid(padding=(0, 1))
        room = max(10, width - longest - 10)
        shares = self._event.probabilities if self._event else {}
        named = self._event.emotion if self._event else None
        for label, name in names.items():
            share = shares.get(label, 0.0)
            color = COLORS.get(label, "green")
            style = f"bold {color}" if label == named else "" if shares else "bright_black"
            table.add_row(
                Text(name, style=style),
                Text(bar(share, room), style=f"{color} on grey15"),
                Text(f"{share:4.0%}", style=style),
            )
        return table

    def _minute(self, width: int) -> Text:
        text = Text(f"{self._words['minute']} ", style="dim")
        room = width - display_width(text.plain)
        # On a narrow terminal a cell stands for the last of several results.
        per_cell = math.ceil((self._strip.maxlen or 1) / room)
        first = (per_cell - 1 - self._count + len(self._strip)) % per_cell
        for emotion, confidence in list(self._strip)[first::per_cell]:
            if not emotion:
                text.append("·", style="bright_black")
                continue
            block = "█" if confidence >= 0.6 else "▓" if confidence >= 0.4 else "▒"
            text.append(block, style=COLORS.get(emotion, "green"))
        return text

    def _episode(self) -> Text:
        episode = self._episodes.now
        if episode is None or episode.emotion is None:
            word = "silence" if self._event is not None else "listening"
            return Text(self._words[word], style="bright_black")
        color = COLORS.get(episode.emotion, "green")
        text = Text(" ".join(names_of(episode.emotion, self._lang)), style=f"bold {color}")
        text.append(f"  {self._words['since']} {clock_time(episode.start)}", style="dim")
        text.append(f"  {episode.end - episode.start:.1f} s, {episode.confidence:.0%}", style="dim")
        return text

    def _footer(self, width: int) -> Text:
        text = Text(f"{clock_time(self._audio_s)}  {self._count} {self._words['events']}", "dim")
        p50, p95 = self._latency.at(50), self._latency.at(95)
        text.append(f"  {self._words['behind']} {p50:.0f} ms (p95 {p95:.0f})  ")
        now = self._clock()
        if self._fault is not None:
            text.append(self._fault, style="bold red")
        elif self._notice is not None and now - self._notice[0] < NOTICE_S:
            text.append(self._notice[1], style="yellow")
        else:
            text.append(self._words["well"], style="green")
        text.truncate(width, overflow="ellipsis")
        return text
