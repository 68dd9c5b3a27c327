"""`ser-bench report`: results as an HTML page with plots, as Markdown, and in the docs."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import Any

from ser_rt.benchmarks.measure.machine import line
from ser_rt.benchmarks.report.brief import brief
from ser_rt.benchmarks.report.model_card import write
from ser_rt.benchmarks.report.render import tables
from ser_rt.benchmarks.report.results import is_suite
from ser_rt.files.writing import write_bytes
from ser_rt.tables import html_image, html_page, html_table, markdown_table, text_table

REGION = "speed"


def write_reports(
    flags: argparse.Namespace, documents: Sequence[dict[str, Any]], report: Callable[[str], None]
) -> None:
    """Write the requested reports; without any, print the tables.

    Raises:
        DataError: the page has no place for the tables, or a README's is not among the results.
        OutputError: a file cannot be written.
    """
    if flags.html:
        write_bytes(flags.html, page(documents).encode())
    if flags.markdown:
        write_bytes(flags.markdown, markdown(documents).encode())
    if flags.page:
        write(flags.page, REGION, markdown(documents, is_short=True))
    if flags.readme:
        write(flags.readme, REGION, markdown_table(brief(documents)) + "\n")
    written = list(filter(None, (flags.html, flags.markdown, flags.page, flags.readme)))
    for path in written:
        report(f"wrote {path}")
    if not written:
        laid = [text_table(table) for document in documents for table in tables(document)]
        print(*laid, sep="\n\n")


def markdown(documents: Sequence[dict[str, Any]], *, is_short: bool = False) -> str:
    """Return the tables, and below each result where, when and with what it was measured."""
    parts = []
    for document in documents:
        parts += [markdown_table(table) for table in tables(document, is_short=is_short)]
        parts.append(f"{line(stamp_of(document))}.")
    return "\n\n".join(parts) + "\n"


def page(documents: Sequence[dict[str, Any]]) -> str:
    """Return one HTML page with tables and plots, and nothing outside it."""
    from ser_rt.benchmarks.report.plots import accuracy_against_latency, drawings

    parts = []
    for document in documents:
        parts += [html_table(table) for table in tables(document)]
        parts += [html_image(caption, png) for caption, png in drawings(document).items()]
        parts.append(f"<p>{line(stamp_of(document))}</p>")
    if png := accuracy_against_latency(documents):
        parts.append(html_image("Accuracy against latency", png))
    return html_page("ser-rt benchmarks", parts)


def stamp_of(document: dict[str, Any]) -> dict[str, Any]:
    """Return the part of a document that has machine and date."""
    found: dict[str, Any] = document["machine_info"]["ser_rt"] if is_suite(document) else document
    return found
