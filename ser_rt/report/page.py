"""The page of a recording: one HTML file that needs nothing beside it and asks no network."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from functools import cache
from html import escape
from importlib.resources import files

import ser_rt
from ser_rt.report import parts
from ser_rt.report.recording import RecordingReport, shown_emotions
from ser_rt.report.strips import axis, loudest, spans, strip
from ser_rt.report.trend import most_spoken, trend
from ser_rt.report.words import Words, clock, percent
from ser_rt.tables import html_document

STYLES = ("server/static/theme.css", "server/static/base.css", "report/static/report.css")
"""Reports look like the server's page: they share its colours, type and buttons."""
_MOST_FLOWS = 4
"""Channels that have a trend of their own; of more, only the first ones."""
_CERTAIN = 0.35
"""Below this share, two emotions make the headline."""


def page(recording: RecordingReport, lang: str, index: str | None = None) -> str:
    """Return the page of a recording in a language; ``index`` is the address of a page of many."""
    words = Words(lang)
    body = "\n".join(
        [
            parts.symbols(recording.labels),
            top(words, index),
            f"<main>{''.join(_sections(recording, words))}</main>",
            bottom(words, recording),
        ]
    )
    return document(recording.name, body, recording.labels, words)


def document(title: str, body: str, labels: tuple[str, ...], words: Words) -> str:
    """Return a page with the style sheets and the script of reports."""
    style = "".join(map(asset, STYLES))
    return html_document(
        title,
        body,
        lang=words.lang,
        style=style + parts.colours(labels),
        script=asset("report/static/report.js"),
    )


def top(words: Words, index: str | None = None) -> str:
    """Return the head of a page."""
    back = "" if index is None else f'<a href="{escape(index)}">← {words("recordings")}</a>'
    return (
        f'<header class="top"><p class="brand"><b>ser-rt</b> <span>{words("tagline")}</span></p>'
        f"{back}</header>"
    )


def bottom(words: Words, recording: RecordingReport) -> str:
    """Return the foot of a page: model, what it says of itself, and what nobody should do."""
    notice = f"<p>{escape(recording.notice)}</p>" if recording.notice else ""
    made = words("made", version=ser_rt.__version__)
    return (
        f"<footer><p>{words('note')}</p>{notice}"
        f"<p>{words('model')}: {escape(recording.model)} · {made}</p></footer>"
    )


@cache
def asset(name: str) -> str:
    """Return a text file of the package."""
    return files("ser_rt").joinpath(name).read_text(encoding="utf-8")


def _sections(recording: RecordingReport, words: Words) -> Iterator[str]:
    yield _hero(recording, words)
    yield _picture(recording, words)
    if recording.has_speech:
        yield _section("moments", words("moments_note"), parts.moments(recording, words), words)
        yield _section("trend", words("trend_note"), _trends(recording, words), words)
    if recording.turns:
        count = len(recording.turns) + recording.more_turns
        yield (
            f'<section id="turns"><details{" open" if count <= 40 else ""}><summary><h2>'
            f"{words('turns')} <span>{count}</span></h2></summary>{parts.turns(recording, words)}"
            "</details></section>"
        )
    if recording.warnings:
        items = "".join(f"<li>{escape(text)}</li>" for text in recording.warnings)
        yield _section("warnings", "", f'<ul class="faults">{items}</ul>', words)


def _section(key: str, note: str, content: str, words: Words) -> str:
    caption = f'<p class="caption">{note}</p>' if note else ""
    return (
        f'<section class="{key}"><header><h2>{words(key)}</h2>{caption}</header>{content}</section>'
    )


def _hero(recording: RecordingReport, words: Words) -> str:
    facts = [words.length(recording.duration_s)]
    if recording.has_speech:
        facts.append(f"{words('speech')} {percent(recording.speech)}")
    facts.append(recording.model.partition(" (")[0])
    about = f'<p class="about">{" · ".join(escape(fact) for fact in facts)}</p>'
    if recording.error is not None:
        about += f'<p class="problem">{escape(words("ends_early", error=recording.error))}</p>'
    name = f'<p class="name">{escape(recording.name)}</p>'
    if not recording.has_speech:
        told = f'<h1>{words("no_speech_title")}</h1><p class="also">{words("no_speech")}</p>'
        return f'<section class="hero">{name}<div>{told}{about}</div></section>'
    told = f"{_headline(recording, words)}{about}"
    if len(recording.channels) == 1:
        bars = parts.shares(recording, words)
        return f'<section class="hero single">{name}<div>{told}</div><div>{bars}</div></section>'
    groups = "".join(
        f'<div class="voice"><h2>{escape(words.channel(channel.name))}</h2>'
        f"{parts.shares(recording, words, n)}</div>"
        for n, channel in enumerate(recording.channels)
    )
    return (
        f'<section class="hero">{name}<div>{told}</div><div class="voices">{groups}</div></section>'
    )


def _headline(recording: RecordingReport, words: Words) -> str:
    def name(label: str) -> str:
        kind = recording.labels.index(label)
        return f'<span class="word e{kind}">{escape(words.emotion(label))}</span>'

    shares = recording.shares()
    main = recording.main()
    if main is None:
        return ""
    others = [label for label, _ in shares if label != main[0]]
    if main[1] < _CERTAIN and others:
        told = f"{name(main[0])}, {name(others[0])}"
    else:
        told = f"<small>{words('mostly')}</small> {name(main[0])}"
    strongest = recording.strongest()
    also = ""
    if strongest is not None:
        number = recording.moments().index(strongest) + 1
        also = (
            f'<p class="also">{words("strongest")}: '
            f'<a href="#moment-{number}" data-moment="{number}">{name(strongest.emotion)} '
            f"{clock(strongest.peak_s)}</a></p>"
        )
    return f"<h1>{told}</h1>{also}"


def _picture(recording: RecordingReport, words: Words) -> str:
    strips = spans(recording.duration_s)
    full = loudest(recording, strips)
    lines = []
    for span in strips:
        voices = ""
        for number, channel in enumerate(recording.channels):
            label = (
                f'<p class="who">{escape(words.channel(channel.name))}</p>' if channel.name else ""
            )
            voices += (
                f'<div class="voice">{label}{strip(recording, number, span, full, words)}</div>'
            )
        lines.append(f'<div class="line">{voices}{axis(span)}</div>')
    several = " several" if len(recording.channels) > 1 else ""
    return (
        f'<section class="picture{several}" role="group" aria-label="{words("picture_alt")}">'
        f"{''.join(lines)}</section>{_player(recording, words)}"
    )


def _player(recording: RecordingReport, words: Words) -> str:
    source = recording.link
    if recording.audio:
        source = f"data:audio/mpeg;base64,{b64encode(recording.audio).decode()}"
    given = f' src="{escape(source)}"' if source else ""
    return (
        f'<div class="player"><audio preload="metadata" data-voices="{len(recording.channels)}"'
        f"{given}></audio>"
        f'<button type="button" class="primary" id="play" data-play-word="{words("play")}" '
        f'data-pause-word="{words("pause")}"><span>{words("play")}</span></button>'
        f'<output id="clock">0:00</output>'
        f'<span class="caption">/ {clock(recording.duration_s)}</span>'
        f'<label class="pick" hidden>{words("open_sound")}'
        '<input type="file" accept="audio/*,video/*" class="hidden"></label>'
        f'<p class="caption" id="no-sound" hidden>{words("no_sound")}</p></div>'
    )


def _trends(recording: RecordingReport, words: Words) -> str:
    flows, full = [], most_spoken(recording)
    for number, channel in enumerate(recording.channels[:_MOST_FLOWS]):
        shown, _ = shown_emotions(recording.shares(number))
        change = recording.change(number)
        title = f"<h3>{escape(words.channel(channel.name))}</h3>" if channel.name else ""
        told = f"<figcaption>{escape(words.change(change))}</figcaption>" if change else ""
        drawing = trend(recording, number, [label for label, _ in shown], full)
        flows.append(
            f'<figure role="img" aria-label="{words("trend_alt")}">{title}{drawing}{told}</figure>'
        )
    return f'<div class="flows">{"".join(flows)}</div>'
