"""`ser-bench report`: results as an HTML page with plots, as Markdown, and in the docs."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ser_rt.benchmarks.measure.machine import line
from ser_rt.benchmarks.report.brief import brief
from ser_rt.benchmarks.report.render import tables
from ser_rt.benchmarks.report.results import is_suite
from ser_rt.errors import DataError
from ser_rt.files.writing import write_bytes
from ser_rt.tables import html_image, html_page, html_table, markdown_table, text_table

REGION = re.compile(r"(<!-- speed:begin -->\n).*(<!-- speed:end -->)", re.DOTALL)


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
        report(f"wrote {flags.html}")
    if flags.markdown:
        write_bytes(flags.markdown, markdown(documents).encode())
        report(f"wrote {flags.markdown}")
    if flags.page:
        put_between_marks(flags.page, markdown(documents, is_short=True))
        report(f"wrote {flags.page}")
    if flags.readme:
        put_between_marks(flags.readme, markdown_table(brief(documents)) + "\n")
        report(f"wrote {flags.readme}")
    if not (flags.html or flags.markdown or flags.page or flags.readme):
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
    from ser_rt.benchmarks.report.plots import drawings

    parts = []
    for document in documents:
        parts += [html_table(table) for table in tables(document)]
        parts += [html_image(caption, png) for caption, png in drawings(document).items()]
        parts.append(f"<p>{line(stamp_of(document))}</p>")
    return html_page("ser-rt benchmarks", [*parts, *_accuracy(documents)])


def _accuracy(documents: Sequence[dict[str, Any]]) -> list[str]:
    from ser_rt.benchmarks.report.plots import accuracy_against_latency

    png = accuracy_against_latency(documents)
    return [html_image("Accuracy against latency", png)] if png else []


def stamp_of(document: dict[str, Any]) -> dict[str, Any]:
    """Return the part of a document that has machine and date."""
    found: dict[str, Any] = document["machine_info"]["ser_rt"] if is_suite(document) else document
    return found


def put_between_marks(path: Path, text: str) -> None:
    """Replace what stands between a page's speed marks.

    Raises:
        DataError: it has none.
    """
    try:
        old = path.read_text(encoding="utf-8")
    except OSError as error:
        msg = f"cannot read {path}: {error.strerror}"
        raise DataError(msg) from error
    if not REGION.search(old):
        msg = f"{path} has no lines <!-- speed:begin --> and <!-- speed:end -->"
        raise DataError(msg)
    write_bytes(path, REGION.sub(lambda found: found[1] + text + found[2], old).encode())
