"""Tables as text, Markdown and HTML, and HTML pages that need nothing beside them."""

from __future__ import annotations

import math
from base64 import b64encode
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from html import escape
from textwrap import wrap

_WIDTH = 100
_STYLE = """
:root { color-scheme: light dark; --line: #8884 }
body { font: 15px/1.55 system-ui, sans-serif }
body { max-width: 80rem; margin: 3rem auto; padding: 0 1.5rem }
h1 { font-size: 2rem; letter-spacing: -.02em }
h2 { font-size: 1.15rem; margin: 2.5rem 0 .5rem }
p { max-width: 46rem; opacity: .75 }
div { overflow-x: auto }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .9rem }
td, th { text-align: right; white-space: nowrap }
td, th { border-bottom: 1px solid var(--line); padding: .35rem .6rem }
th { font-weight: 600; opacity: .75 }
td:first-child, th:first-child { text-align: left; padding-left: 0 }
tr:hover td { background: #8881 }
img { max-width: 100%; border-radius: .5rem }
@media (prefers-color-scheme: dark) { img { filter: invert(.9) hue-rotate(180deg) } }
"""
_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "img-src data:; media-src 'self' data: blob: file:"
)


@dataclass(frozen=True)
class Table:
    """A titled table; the first column names the rows. `note` says how to read it."""

    title: str
    head: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    note: str = ""


def shown(value: float, how: Callable[[float], str]) -> str:
    """Return a figure as `how` writes it; a hyphen for NaN.

    >>> shown(0.25, "{:.1f} s".format), shown(float("nan"), "{:.1f} s".format)
    ('0.2 s', '-')
    """
    return "-" if math.isnan(value) else how(value)


def text_table(table: Table) -> str:
    """Lay a table out for a terminal."""
    lines = [table.head, *table.rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(table.head))]
    laid = [
        "  ".join(
            [
                line[0].ljust(widths[0]),
                *(c.rjust(w) for c, w in zip(line[1:], widths[1:], strict=True)),
            ]
        ).rstrip()
        for line in lines
    ]
    return "\n".join([table.title, "=" * len(table.title), *laid, *wrap(table.note, _WIDTH)])


def markdown_table(table: Table) -> str:
    """Write a table in Markdown, its title in bold above and its note below."""

    def row(cells: Sequence[str]) -> str:
        return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"

    rule = f"| --- |{' ---: |' * (len(table.head) - 1)}"
    lines = [row(table.head), rule, *map(row, table.rows)]
    title = [f"**{table.title}**", ""] if table.title else []
    return "\n".join([*title, *lines, *(["", table.note] if table.note else [])])


def html_table(table: Table) -> str:
    """Write a table in HTML, its title as a heading above."""

    def row(cells: Sequence[str], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{escape(c)}</{tag}>" for c in cells) + "</tr>"

    lines = "\n".join([row(table.head, "th"), *(row(cells, "td") for cells in table.rows)])
    note = f"<p>{escape(table.note)}</p>\n" if table.note else ""
    return f"<h2>{escape(table.title)}</h2>\n{note}<div><table>\n{lines}\n</table></div>"


def html_image(caption: str, png: bytes, note: str = "") -> str:
    """Put a PNG image into HTML, its caption as a heading above and how to read it below that."""
    source = f"data:image/png;base64,{b64encode(png).decode()}"
    words = f"<p>{escape(note)}</p>\n" if note else ""
    return f'<h2>{escape(caption)}</h2>\n{words}<img alt="{escape(caption)}" src="{source}">'


def html_figure(caption: str, png: bytes) -> str:
    """Put a PNG image into HTML, without a heading of its own: it is of the table before it."""
    source = f"data:image/png;base64,{b64encode(png).decode()}"
    return f'<img alt="{escape(caption)}" src="{source}">'


def html_page(title: str, parts: Iterable[str]) -> str:
    """Join parts into a page without outside references."""
    body = "\n".join([f"<h1>{escape(title)}</h1>", *parts])
    return html_document(title, body, style=_STYLE)


def html_document(title: str, body: str, *, style: str, lang: str = "en", script: str = "") -> str:
    """Wrap the body of a page that may load nothing from anywhere but the folder that it is in."""
    code = f"<script>{script}</script>\n" if script else ""
    return (
        f'<!doctype html>\n<html lang="{lang}">\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        f"<title>{escape(title)}</title>\n<style>{style}</style>\n"
        f"<body>\n{body}\n{code}</body>\n</html>\n"
    )
