"""Parts of a page: shares as bars, moments as cards, turns as a table."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from ser_rt.report.marks import svg_path
from ser_rt.report.recording import RecordingReport, Turn, shown_emotions
from ser_rt.report.words import Words, clock, level, percent
from ser_rt.runtime.palette import custom_properties, palette


def colours(labels: Sequence[str]) -> str:
    """Return the style sheet of the emotions: classes e0, e1, ... set colour and text colour."""
    rules = [
        f".e{n} {{ {custom_properties(ink)} }}" for n, ink in enumerate(palette(labels).values())
    ]
    return "\n".join(rules)


def symbols(labels: Sequence[str]) -> str:
    """Return the SVG that defines the marks of the emotions, for `mark`."""
    shapes = (
        f'<symbol id="mark-{n}" viewBox="-1.2 -1.2 2.4 2.4">'
        f'<path d="{svg_path(ink.mark)}"/></symbol>'
        for n, ink in enumerate(palette(labels).values())
    )
    return f'<svg width="0" height="0" class="hidden" aria-hidden="true">{"".join(shapes)}</svg>'


def mark(number: int) -> str:
    """Return the mark of an emotion, in its colour."""
    return f'<svg class="mark" aria-hidden="true"><use href="#mark-{number}"/></svg>'


def shares(recording: RecordingReport, words: Words, channel: int | None = None) -> str:
    """Return the shares of the emotions as bars: the largest, and the others folded."""
    found = recording.shares(channel)
    shown, folded = shown_emotions(found)
    most = found[0][1] if found else 1.0

    def bar(item: tuple[str, float]) -> str:
        label, share = item
        kind = recording.labels.index(label)
        return (
            f'<button type="button" class="bar e{kind}" data-only="{kind}" aria-pressed="false">'
            f'{mark(kind)}<span class="bar-name">{escape(words.emotion(label))}</span>'
            f'<span class="bar-track"><i style="width:{100 * share / most:.1f}%"></i></span>'
            f'<span class="bar-percent">{percent(share)}</span></button>'
        )

    rest = ""
    if folded:
        title = words("others", count=len(folded))
        total = percent(sum(share for _, share in folded))
        rest = (
            f"<details><summary><span>{title}</span><span>{total}</span></summary>"
            f"{''.join(map(bar, folded))}</details>"
        )
    return f'<div class="bars">{"".join(map(bar, shown))}{rest}</div>'


def moments(recording: RecordingReport, words: Words) -> str:
    """Return the strongest moments as cards that play their sound."""
    cards = [
        f'<li id="moment-{n}"><button type="button" class="moment e{_kind(recording, turn)}" '
        f'{_sound(turn)}><span class="number">{n}</span><span class="when">{clock(turn.peak_s)}'
        f"{_who(recording, turn, words)}</span>"
        f'<span class="what">{mark(_kind(recording, turn))}'
        f"<b>{escape(words.emotion(turn.emotion))}</b> {percent(turn.confidence)}</span>"
        f"{_PLAY}</button></li>"
        for n, turn in enumerate(recording.moments(), 1)
    ]
    if not cards:
        return f'<p class="caption">{words("no_moments")}</p>'
    return f'<ol class="cards">{"".join(cards)}</ol>'


def turns(recording: RecordingReport, words: Words) -> str:
    """Return the table of all turns; its rows play their sound, its head sorts."""
    several = len(recording.channels) > 1
    head = ["start", "length", *(["who"] if several else []), "emotion", "confidence", "loudness"]
    cells = "".join(
        f'<th scope="col" aria-sort="none"><button type="button">{words(key)}</button></th>'
        for key in head
    )
    rows = []
    for turn in recording.turns:
        kind = _kind(recording, turn)
        who = f"<td>{escape(_name(recording, turn, words))}" if several else ""
        cut = f' <i title="{words("cut")}">→</i>' if turn.is_cut else ""
        rows.append(
            f'<tr class="e{kind}" {_sound(turn, whole=True)}><td data-by="{turn.start_s:.2f}">'
            f"{clock(turn.start_s)}"
            f'<td data-by="{turn.end_s - turn.start_s:.2f}">'
            f"{words.seconds(turn.end_s - turn.start_s)}{cut}{who}"
            f"<td>{mark(kind)}{escape(words.emotion(turn.emotion))}"
            f'<td data-by="{turn.confidence:.4f}">{percent(turn.confidence)}'
            f'<td data-by="{turn.loudness_db:.1f}">{level(turn.loudness_db)} dB'
        )
    more = ""
    if recording.more_turns:
        more = f'<p class="caption">{words("more_turns", count=recording.more_turns)}</p>'
    body = "\n".join(rows)
    return (
        f'<div class="scroll"><table class="sortable turns"><thead><tr>{cells}</tr></thead>'
        f"<tbody>\n{body}\n</tbody></table></div>{more}"
    )


_PLAY = (
    '<svg class="play" viewBox="0 0 20 20" aria-hidden="true"><path d="M6 3.5v13l10.5-6.5z"/></svg>'
)


def _kind(recording: RecordingReport, turn: Turn) -> int:
    return recording.labels.index(turn.emotion)


def _sound(turn: Turn, *, whole: bool = False) -> str:
    start_s, end_s = (turn.start_s, turn.end_s) if whole else turn.sound_s
    return f'data-play="{start_s:.2f} {end_s:.2f}" data-voice="{turn.channel}"'


def _name(recording: RecordingReport, turn: Turn, words: Words) -> str:
    return words.channel(recording.channels[turn.channel].name)


def _who(recording: RecordingReport, turn: Turn, words: Words) -> str:
    if len(recording.channels) < 2:
        return ""
    return f" · {escape(_name(recording, turn, words))}"
