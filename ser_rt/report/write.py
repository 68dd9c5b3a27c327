"""`write_report`: a recording as the kind of file that a name stands for, and many as a folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ser_rt.errors import ConfigError
from ser_rt.files.names import printable
from ser_rt.files.outputs import STANDARD_OUTPUT
from ser_rt.files.writing import check_writable, write_bytes
from ser_rt.report.page import page
from ser_rt.report.recording import RecordingReport


def _html(recording: RecordingReport, lang: str) -> bytes:
    return page(recording, lang).encode("utf-8", "replace")


def _png(recording: RecordingReport, lang: str) -> bytes:
    from ser_rt.report.figure import figure_png

    return figure_png(recording, lang)


WRITERS: dict[str, Callable[[RecordingReport, str], bytes]] = {
    ".html": _html,
    ".htm": _html,
    ".png": _png,
}
"""What each suffix stands for."""


def kind_of(path: Path) -> str:
    """Return the suffix of a report's name that stands for its kind; a page for ``-``.

    Raises:
        ConfigError: It stands for none.
    """
    suffix = ".html" if str(path) == STANDARD_OUTPUT else path.suffix.lower()
    if suffix not in WRITERS:
        kinds = ", ".join(WRITERS)
        msg = f"{printable(path)} is no name of a report: it must end in one of {kinds}"
        raise ConfigError(msg)
    return suffix


def prepare(path: Path, lang: str) -> None:
    """Find out whether `write_report` could write a report, before the work that fills it.

    Raises:
        ConfigError: The name stands for no kind of report, or a picture lacks a font.
        OutputError: It cannot be written.
        MissingDependencyError: A picture needs matplotlib.
    """
    if kind_of(path) == ".png":
        from ser_rt.report.figure import fonts

        fonts(lang)
    check_writable(path)


def write_report(recording: RecordingReport, path: Path, lang: str) -> Path:
    """Write the report of a recording, whole or not at all.

    Raises:
        OutputError: It cannot be written.
        ConfigError: The name stands for no kind of report.
        MissingDependencyError: A picture needs matplotlib.
    """
    return write_bytes(path, WRITERS[kind_of(path)](recording, lang))
