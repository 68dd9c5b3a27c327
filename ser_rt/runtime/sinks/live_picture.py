"""`draw`: one picture of the live display, for a terminal of any size.

The answer comes first, then what is wrong; what has no room is left out, the least important first.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from rich.console import Console, Group
from rich.text import Text

from ser_rt.cli.columns import display_width
from ser_rt.runtime.event import Event
from ser_rt.runtime.sinks.palette import Tone, tone_of
from ser_rt.runtime.sinks.text import bar, clock_time, names_of
from ser_rt.runtime.sinks.words import WORDS

STRIP_S = 60.0
FLOOR_DBFS = -60.0
SURE = 0.5
"""Below this an answer is a guess, and drawn as one."""
TOP = 5
"""Emotions that are always shown one by one, if there is room."""
TALL, VERY_TALL = 16, 32
"""Lines from which the answer takes three, and from which more than ten emotions are shown."""
_WARN_LINES = 3


class Cell(NamedTuple):
    """A result, as the strip of the last minute shows it."""

    start_s: float
    end_s: float
    emotion: str | None
    confidence: float


@dataclass
class Scene:
    """What the display knows now."""

    labels: Sequence[str]
    lang: str = "en"
    event: Event | None = None
    episode: Event | None = None
    cells: Sequence[Cell] = ()
    level_dbfs: float = FLOOR_DBFS
    speech: float = 0.0
    has_sound: bool = True
    audio_s: float = 0.0
    count: int = 0
    behind_ms: tuple[float, float] = (0.0, 0.0)
    notice: str = ""
    is_fault: bool = False
    words: Mapping[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self.words = WORDS[self.lang]

    def name(self, emotion: str) -> str:
        """Both names of an emotion, or one where they are alike."""
        return " ".join(dict.fromkeys(names_of(emotion, self.lang)))


class _Line(NamedTuple):
    rank: int
    """Lines of the highest rank are left out first."""
    text: Text


def draw(scene: Scene, console: Console) -> Group:
    """Return the picture, which fits the console as it is now."""
    width, height = max(20, console.width), max(3, console.height)
    lines = [
        *_answer(scene, width, 3 if height >= TALL else 1),
        *_notice(scene, console, width),
        _Line(8, Text()),
    ]
    after = [
        _Line(9, Text()),
        *_minute(scene, width, 1 + (height >= TALL) + (height >= VERY_TALL)),
        _Line(10, Text()),
        _Line(4, _signal(scene, width)),
        _Line(6, _footer(scene, width)),
    ]
    room = height - sum(line.rank < 8 for line in (*lines, *after))
    lines += [*_bars(scene, width, max(2, room), is_short=height < VERY_TALL), *after]
    while len(lines) > height:
        lines.remove(max(reversed(lines), key=lambda line: line.rank))
    return Group(*(line.text for line in lines))


def _answer(scene: Scene, width: int, tall: int) -> Iterable[_Line]:
    """The emotion now, on a bar as long as it is sure."""
    event, words = scene.event, scene.words
    if event is None or event.emotion is None or event.confidence is None:
        said = words["lost"] if not scene.has_sound else ""
        said = said or words["listening" if event is None else "silence"]
        text = Text(_cut(f" {said} ", width), style="bold" if scene.has_sound else "bold red")
        yield _Line(0, text)
        return
    tone = tone_of(event.emotion)
    guess = "" if event.confidence >= SURE else f"{words['perhaps']} "
    since_s = 0.0 if scene.episode is None else scene.episode.end - scene.episode.start
    said = f" {guess}{tone.mark} {scene.name(event.emotion)}  {event.confidence:.0%}"
    said = _cut(f"{said}  {words['for'].format(seconds=max(1.0, since_s))}", width)
    filled = round(event.confidence * width)
    weight = "bold " if event.confidence >= SURE else ""
    for number in range(tall):
        row = _pad(said if number == tall // 2 else "", width)
        head = _cut(row, filled)
        text = Text()
        text.append(head, style=f"{weight}reverse {tone.color}")
        text.append(row[len(head) :].rstrip(), style=f"{weight}{tone.color}")
        yield _Line(0 if number == tall // 2 else 7, text)


def _notice(scene: Scene, console: Console, width: int) -> Iterable[_Line]:
    if scene.notice:
        style = "bold red" if scene.is_fault else "yellow"
        wrapped = Text(scene.notice, style=style).wrap(console, width)
        yield from (_Line(1, line) for line in list(wrapped)[:_WARN_LINES])


def _bars(scene: Scene, width: int, room: int, *, is_short: bool) -> Iterable[_Line]:
    """A bar for each emotion; where they are too many, for the likeliest, and one for the rest."""
    shares = scene.event.probabilities if scene.event else {}
    shown = list(scene.labels)
    if len(shown) > room or (len(shown) > 2 * TOP and is_short):
        kept = sorted(shown, key=lambda label: -shares.get(label, 0.0))[: min(TOP, room - 1)]
        shown = [label for label in shown if label in kept]
    others = [label for label in scene.labels if label not in shown]
    rest = scene.words["others"].format(count=len(others))
    names = {label: scene.name(label) for label in shown}
    longest = max(map(display_width, [*names.values(), rest if others else ""]))
    space = max(6, width - longest - 9)
    named = scene.event.emotion if scene.event else None
    for label, name in names.items():
        yield _bar(tone_of(label), name, shares.get(label, 0.0), longest, space, label == named)
    if others:
        share = sum(shares.get(label, 0.0) for label in others)
        yield _bar(Tone(" ", "#808080", 90), rest, share, longest, space, is_named=False)


def _bar(
    tone: Tone,
    name: str,
    share: float,
    longest: int,
    space: int,
    is_named: bool,  # noqa: FBT001 (a value like the others)
) -> _Line:
    weight = "bold " if is_named else ""
    text = Text(f"{tone.mark} ", style=f"{weight}{tone.color}")
    text.append(_pad(name, longest) + " ", style="bold" if is_named else "")
    text.append(bar(share, space), style=tone.color)
    text.append(f" {share:4.0%}", style="bold" if is_named else "")
    return _Line(2, text)


def _minute(scene: Scene, width: int, tall: int) -> Iterable[_Line]:
    """The last minute, right edge now, and its axis; a mark begins each stretch."""
    columns: list[tuple[str, str]] = [(" ", "")] * width
    now_s = scene.cells[-1].end_s if scene.cells else 0.0
    before: str | None = ""
    for cell in scene.cells:
        first, last = (
            round(width * (1 - (now_s - at_s) / STRIP_S)) for at_s in (cell.start_s, cell.end_s)
        )
        tone = tone_of(cell.emotion)
        block = "█" if cell.confidence >= 0.6 else "▓" if cell.confidence >= 0.4 else "▒"
        for column in range(max(0, first), min(width, last)):
            columns[column] = (block if cell.emotion else tone.mark, tone.color)
        if cell.emotion != before and 0 <= first < width and last > first:
            columns[first] = (tone.mark, f"bold {tone.color}")
        before = cell.emotion
    for number in range(tall):
        strip = Text()
        for mark, style in columns:
            is_mark = style.startswith("bold") and number > 0
            strip.append("█" if is_mark else mark, style=style.removeprefix("bold "))
        yield _Line(7 if number else 3, strip)
    yield _Line(5, _axis(scene, width))


def _axis(scene: Scene, width: int) -> Text:
    said, now = scene.words["minute"], scene.words["now"]
    text, room = f"{said} ", width - display_width(now)
    for ago_s in (45, 30, 15):
        at, mark = round(width * (1 - ago_s / STRIP_S)), f"┴{ago_s} s"
        if display_width(text) < at <= room - len(mark) - 1:
            text = _pad(text, at) + mark
    return Text(_pad(_cut(text, room), room) + now, "dim")


def _signal(scene: Scene, width: int) -> Text:
    if not scene.has_sound:
        return Text(f"{scene.words['level']} {scene.words['lost']}", style="bold red")
    share = 1 - scene.level_dbfs / FLOOR_DBFS
    loud = scene.level_dbfs
    color = "#db2c2b" if loud > -3 else "#9b7e0e" if loud > -12 else "#268b1e"
    text = Text()
    text.append(f"{scene.words['level']} ", style="dim")
    text.append(bar(share, max(6, width - 32)), style=color)
    text.append(f" {loud:4.0f} dB  ")
    is_speech = scene.speech >= 0.5
    word = scene.words["speech" if is_speech else "quiet"]
    text.append("● " if is_speech else "○ ", style="bold #268b1e" if is_speech else "dim")
    text.append(f"{word} {scene.speech:.0%}", style="" if is_speech else "dim")
    text.truncate(width)
    return text


def _footer(scene: Scene, width: int) -> Text:
    words, (p50, p95) = scene.words, scene.behind_ms
    parts = [
        clock_time(scene.audio_s),
        words["results"].format(count=scene.count),
        f"{words['behind']} {p50:.0f} ms (p95 {p95:.0f})",
        words["ends"] if scene.notice else words["well"],
    ]
    text = Text("  ".join(parts), style="dim")
    text.truncate(width, overflow="ellipsis")
    return text


def _cut(text: str, width: int) -> str:
    """Return as much of a text as fits into so many columns."""
    while display_width(text) > width:
        text = text[:-1]
    return text


def _pad(text: str, width: int) -> str:
    return text + " " * (width - display_width(text))
