"""The index of many reports: one page with a row for each recording, sorted by any column."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from urllib.parse import quote

import numpy as np

import ser_rt
from ser_rt.report import parts
from ser_rt.report.page import document, top
from ser_rt.report.recording import RecordingReport, Turn, shown_emotions
from ser_rt.report.words import Words, percent

_CELLS = 96
"""Steps of the stripe that shows a recording in its row."""


@dataclass(frozen=True)
class IndexRow:
    """What the index tells of one recording.

    Attributes:
        name: of the file.
        page: name of its page, beside the index; None if it could not be classified.
        error: why not.
        duration_s: its length.
        speech: share of it that is speech, in [0, 1].
        shares: of the emotions in that, largest first.
        strongest: its clearest moment.
        stripe: its emotions over time, as SVG.
    """

    name: str
    page: str | None = None
    error: str | None = None
    duration_s: float = 0.0
    speech: float = 0.0
    shares: tuple[tuple[str, float], ...] = ()
    strongest: Turn | None = None
    stripe: str = ""


def row_of(recording: RecordingReport, page: str) -> IndexRow:
    """Return the row of a recording with the name of its page."""
    return IndexRow(
        recording.name,
        page,
        recording.error,
        recording.duration_s,
        recording.speech,
        tuple(recording.shares()),
        recording.strongest(),
        _stripe(recording),
    )


def index_page(rows: Sequence[IndexRow], labels: tuple[str, ...], title: str, lang: str) -> str:
    """Return the index of some recordings of one model."""
    words = Words(lang)
    seconds: Counter[str] = Counter()
    for row in rows:
        for label, share in row.shares:
            seconds[label] += share * row.speech * row.duration_s  # type: ignore[assignment]  # a Counter of floats
    spoken_s = sum(seconds.values()) or 1.0
    shown, _ = shown_emotions([(label, s / spoken_s) for label, s in seconds.most_common()])
    columns = [label for label, _ in shown]
    keys = ["recording", "course", "mostly", "strongest", "length", "speech"]
    heads = [escape(words(key)) for key in keys]
    heads += [parts.mark(labels.index(e)) + escape(words.emotion(e)) for e in columns]
    marks = [f' class="e{labels.index(e)}"' for e in columns]
    head = "".join(
        f'<th scope="col" aria-sort="none"{kind}><button type="button">{text}</button></th>'
        for text, kind in zip(heads, [""] * len(keys) + marks, strict=True)
    ).replace(f'<button type="button">{words("course")}</button>', words("course"), 1)
    body = "\n".join(_row(row, columns, labels, words) for row in rows)
    total = words("total", count=len(rows), time=words.length(sum(r.duration_s for r in rows)))
    content = (
        f'{parts.symbols(labels)}{top(words)}<main><section class="hero"><h1>'
        f'{escape(title)}</h1><p class="about">{total}. {words("index_note")}</p></section>'
        f'<section><div class="scroll"><table class="sortable index"><thead><tr>{head}</tr></thead>'
        f"<tbody>\n{body}\n</tbody></table></div></section></main>"
        f"<footer><p>{words('note')}</p>"
        f"<p>{words('made', version=ser_rt.__version__)}</p></footer>"
    )
    return document(title, content, labels, words)


def _row(row: IndexRow, columns: Sequence[str], labels: tuple[str, ...], words: Words) -> str:
    name = escape(row.name)
    if row.page is None:
        told = f"{words('failed')}: {escape(row.error or '')}"
        return f'<tr class="failed"><th scope="row">{name}</th><td>{told}</td></tr>'
    shares = dict(row.shares)
    cells = [
        f'<th scope="row"><a href="{quote(row.page)}">{name}</a></th>',
        f"<td>{row.stripe}</td>",
    ]
    if row.shares:
        label, share = row.shares[0]
        cells.append(f"<td>{_named(label, labels, words)} {percent(share)}</td>")
    else:
        cells.append(f"<td>{words('no_speech_title')}</td>")
    if row.strongest is None:
        cells.append('<td data-by="0">–</td>')
    else:
        kind = labels.index(row.strongest.emotion)
        cells.append(
            f'<td data-by="{row.strongest.confidence:.4f}"><span class="e{kind}">'
            f"{parts.mark(kind)}{escape(words.moment(row.strongest))}</span></td>"
        )
    cells += [
        f'<td data-by="{row.duration_s:.2f}">{words.length(row.duration_s)}</td>',
        f'<td data-by="{row.speech:.4f}">{percent(row.speech)}</td>',
    ]
    for label in columns:
        share = shares.get(label, 0.0)
        told = percent(share) if share else "–"
        cells.append(
            f'<td data-by="{share:.4f}" class="e{labels.index(label)}"><span class="share">'
            f'{told}<i style="width:{100 * share:.0f}%"></i></span></td>'
        )
    return f"<tr>{''.join(cells)}</tr>"


def _named(label: str, labels: tuple[str, ...], words: Words) -> str:
    kind = labels.index(label)
    return f'<span class="e{kind}">{parts.mark(kind)}{escape(words.emotion(label))}</span>'


def _stripe(recording: RecordingReport) -> str:
    edges = np.linspace(0, max(recording.duration_s, 1e-3), _CELLS + 1)
    named = sum(channel.course.named_between(edges) for channel in recording.channels)
    boxes: dict[str, list[str]] = {}
    for x, cell in enumerate(np.asarray(named)):
        kind = f"e{int(cell.argmax())}" if cell.sum() > 0 else "quiet"
        boxes.setdefault(kind, []).append(f"M{x} 0h1v1h-1z")
    paths = "".join(f'<path class="{kind}" d="{"".join(d)}"/>' for kind, d in boxes.items())
    return (
        f'<svg class="stripe" viewBox="0 0 {_CELLS} 1" preserveAspectRatio="none" '
        f'aria-hidden="true">{paths}</svg>'
    )
