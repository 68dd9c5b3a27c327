"""Strips: the recording as loudness over time, coloured by emotion, with its turns beneath.

A long recording has several strips one below another, as a score has lines.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from typing import NamedTuple

import numpy as np

from ser_rt.report.course import BIN_S, Array, Course
from ser_rt.report.recording import RecordingReport, Turn
from ser_rt.report.words import Words, clock, percent

COLUMNS = 480
"""Bars of a strip: one in 2.4 pixels where a page is 1150 wide."""
MOST_STRIPS = 8
_LENGTHS_S = (600, 900, 1800, 3600, 7200, 14400, 28800, 86400)
_TICKS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400)
_MOST_TICKS = 8
_MOST_BLOCKS = 80
"""A strip with more turns has them in one drawing, without names."""
_CROWDED = 0.06
"""Pins closer than this share of a strip stand one above the other."""
QUIET = 0.02
"""Where it is less loud than this share of the loudest, a bar is a dot."""


class TimeSpan(NamedTuple):
    """The time that a strip shows, in seconds."""

    start_s: float
    end_s: float

    def share(self, time_s: float) -> float:
        """Return where a time is in the strip, 0 to 1."""
        return min(1.0, max(0.0, (time_s - self.start_s) / (self.end_s - self.start_s)))

    def left(self, time_s: float) -> str:
        """Return where a time is in the strip, for CSS."""
        return f"{100 * self.share(time_s):.2f}%"


def spans(duration_s: float) -> list[TimeSpan]:
    """Return the strips of a recording; all of them are equally long."""
    if duration_s <= _LENGTHS_S[0]:
        return [TimeSpan(0.0, max(duration_s, 1.0))]
    fits = (s for s in _LENGTHS_S if s * MOST_STRIPS >= duration_s)
    length_s = next(fits, duration_s / MOST_STRIPS)
    count = int(np.ceil(duration_s / length_s - 1e-9))
    return [TimeSpan(n * length_s, (n + 1) * length_s) for n in range(count)]


def loudest(recording: RecordingReport, strips: Sequence[TimeSpan]) -> float:
    """Return the root mean square of the loud parts, which fill a strip, of all channels."""
    found = [
        channel.course.loudness(columns(span)) for channel in recording.channels for span in strips
    ]
    levels = np.concatenate(found)
    levels = levels[levels > 0]
    return float(np.quantile(levels, 0.98)) if len(levels) else 1.0


def columns(span: TimeSpan) -> Array:
    """Return the edges of the bars of a strip in seconds."""
    count = int(np.clip((span.end_s - span.start_s) / BIN_S, 1, COLUMNS))
    return np.linspace(span.start_s, span.end_s, count + 1)


def bars(course: Course, span: TimeSpan, full: float) -> tuple[Array, Array]:
    """Return height (0 to 1) and emotion of the bars; -1 is none, and no height is no sound."""
    edges = columns(span)
    heights = np.clip(course.loudness(edges) / full, 0, 1) ** 0.7
    heights[edges[:-1] >= course.end_s] = np.nan
    named = course.named_between(edges)
    is_named = (named.sum(axis=1) > 0) & ~(heights <= QUIET)
    return heights, np.where(is_named, named.argmax(axis=1), -1)


def strip(
    recording: RecordingReport, number: int, span: TimeSpan, full: float, words: Words
) -> str:
    """Return the HTML of one channel in one strip: pins, wave and turns."""
    turns = [
        turn
        for turn in recording.turns
        if turn.channel == number and turn.start_s < span.end_s and turn.end_s > span.start_s
    ]
    pins = "".join(_pins(recording, number, span, words))
    wave = _wave(recording, number, span, full)
    return (
        f'<div class="strip" data-from="{span.start_s:.3f}" data-to="{span.end_s:.3f}">'
        f'<div class="pins">{pins}</div>{wave}{_ribbon(recording, turns, span, words)}'
        '<i class="playhead" hidden></i></div>'
    )


def ticks(span: TimeSpan) -> list[float]:
    """Return the times to write under a strip, in seconds; none of them is near its end."""
    length_s = span.end_s - span.start_s
    step_s = next((s for s in _TICKS_S if length_s / s <= _MOST_TICKS), length_s / _MOST_TICKS)
    times = np.arange(np.ceil(span.start_s / step_s), np.floor(span.end_s / step_s) + 1) * step_s
    return [t for t in times.tolist() if t <= span.end_s - 0.05 * length_s]


def axis(span: TimeSpan) -> str:
    """Return the HTML of the times under a strip."""
    written = "".join(
        f'<span{" class=minor" if n % 2 else ""} style="left:{span.left(t)}">{clock(t)}</span>'
        for n, t in enumerate(ticks(span))
    )
    return f'<div class="axis" aria-hidden="true">{written}</div>'


def _pins(recording: RecordingReport, number: int, span: TimeSpan, words: Words) -> Iterator[str]:
    last, is_high = -1.0, False
    for n, turn in enumerate(recording.moments(), 1):
        if turn.channel != number or not span.start_s < turn.peak_s <= span.end_s:
            continue
        at = span.share(turn.peak_s)
        is_high, last = (at - last < _CROWDED and not is_high), at
        kind = recording.labels.index(turn.emotion)
        yield (
            f'<a class="pin e{kind}{" high" * is_high}" href="#moment-{n}" '
            f'style="left:{100 * at:.2f}%" data-moment="{n}" '
            f'title="{escape(words.moment(turn))}">{n}</a>'
        )


def _wave(recording: RecordingReport, number: int, span: TimeSpan, full: float) -> str:
    heights, emotions = bars(recording.channels[number].course, span, full)
    lines: dict[int, list[str]] = {}
    for x, (height, emotion) in enumerate(zip(heights.tolist(), emotions.tolist(), strict=True)):
        if height == height:  # noqa: PLR0124 (NaN: the recording has ended)
            reach = 48 * height if height > QUIET else 0.1
            line = f"M{x + 0.5:g} {50 - reach:.1f}v{2 * reach:.1f}"
            lines.setdefault(int(emotion), []).append(line)
    paths = "".join(
        f'<path class="{"quiet" if emotion < 0 else f"e{emotion}"}" d="{"".join(d)}"/>'
        for emotion, d in sorted(lines.items())
    )
    return (
        f'<svg class="wave" viewBox="0 0 {len(heights)} 100" preserveAspectRatio="none" '
        f'aria-hidden="true">{paths}</svg>'
    )


def _ribbon(recording: RecordingReport, turns: Sequence[Turn], span: TimeSpan, words: Words) -> str:
    draw = _blocks if len(turns) <= _MOST_BLOCKS else _drawing
    return f'<div class="ribbon">{draw(recording, turns, span, words)}</div>'


def _blocks(recording: RecordingReport, turns: Sequence[Turn], span: TimeSpan, words: Words) -> str:
    def block(turn: Turn) -> str:
        kind, left = recording.labels.index(turn.emotion), span.share(turn.start_s)
        width = max(0.002, span.share(turn.end_s) - left)
        name = words.emotion(turn.emotion)
        told = f"{clock(turn.start_s)} {name} {percent(turn.confidence)}"
        return (
            f'<span class="turn e{kind}" style="left:{100 * left:.2f}%;width:{100 * width:.2f}%" '
            f'title="{escape(told)}"><svg class="mark"><use href="#mark-{kind}"/></svg>'
            f"<b>{escape(name)}</b></span>"
        )

    return "".join(map(block, turns))


def _drawing(
    recording: RecordingReport, turns: Sequence[Turn], span: TimeSpan, words: Words
) -> str:
    del words  # a turn is too narrow for any
    boxes: dict[int, list[str]] = {}
    for turn in turns:
        left, right = (1000 * span.share(t) for t in (turn.start_s, turn.end_s))
        width = max(0.5, right - left - 0.3)
        box = f"M{left:.1f} 0h{width:.1f}v1h-{width:.1f}z"
        boxes.setdefault(recording.labels.index(turn.emotion), []).append(box)
    paths = "".join(f'<path class="e{kind}" d="{"".join(d)}"/>' for kind, d in boxes.items())
    return f'<svg viewBox="0 0 1000 1" preserveAspectRatio="none">{paths}</svg>'
