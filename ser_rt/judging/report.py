"""Report of a `StreamVerdict`: tables as text, JSON, and one self-contained HTML file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from ser_rt.files.writing import write_bytes, write_json
from ser_rt.judging.pictures import pictures
from ser_rt.judging.scores import StreamScore
from ser_rt.judging.verdict import StreamVerdict
from ser_rt.tables import Table, html_image, html_page, html_table, shown, text_table

JSON_FILE, TEXT_FILE, HTML_FILE = "streams.json", "streams.txt", "streams.html"

_NOTE = (
    "EDER: share of the labelled time that is not given its emotion; live: not shown at that "
    "moment. UAR: mean over emotions of the share of their time. Delay: seconds of audio from a "
    "change to the first answer that names the new emotion. Missed: changes without one before "
    "the next. Wrong turns: changes after which a third emotion is named. Flicker: changes of "
    "what is shown that notice no change, a minute of speech. False changes: to another emotion, a "
    "minute of neutral speech. docs/streams.md defines all of them."
)
_FORMATS: dict[str, tuple[str, Callable[[float], str]]] = {
    "eder": ("EDER", lambda x: f"{x:.3f}"),
    "eder_shown": ("EDER live", lambda x: f"{x:.3f}"),
    "uar": ("UAR", lambda x: f"{x:.3f}"),
    "delay_median_s": ("delay", lambda x: f"{x:.2f} s"),
    "delay_p90_s": ("p90", lambda x: f"{x:.2f} s"),
    "missed": ("missed", lambda x: f"{100 * x:.0f} %"),
    "wrong_turns": ("wrong turns", lambda x: f"{100 * x:.0f} %"),
    "flicker_per_min": ("flicker", lambda x: f"{x:.1f}"),
    "false_changes_per_min": ("false changes", lambda x: f"{x:.1f}"),
    "unsure": ("unsure", lambda x: f"{100 * x:.0f} %"),
}
_SHARES: dict[str, tuple[str, Callable[[float], str]]] = {
    "first_answer_median_s": ("first answer after the beginning", lambda x: f"{x:.2f} s"),
    "delay_median_s": ("delay of a change in audio, median", lambda x: f"{x:.2f} s"),
    "delay_p90_s": ("delay of a change in audio, 90 % within", lambda x: f"{x:.2f} s"),
    "computed_median_ms": ("computation on top, median", lambda x: f"{x:.0f} ms"),
    "computed_p90_ms": ("computation on top, 90 % within", lambda x: f"{x:.0f} ms"),
}


def tables(verdict: StreamVerdict) -> list[Table]:
    """Return the tables of a verdict, most important first; empty ones are left out."""
    groups = verdict.groups
    found = [
        score_table("Streams", {"all": verdict.overall, **groups.get("dataset", {})}, _NOTE),
        _intervals(verdict.overall),
        _shares(verdict),
        *(
            score_table(f"By {column}", scores)
            for column, scores in groups.items()
            if column != "dataset"
        ),
        Table(
            "Confidence by the seconds of speech",
            ("seconds of speech", "answers", "confidence", "accuracy", "ECE"),
            [
                (
                    f"{b.from_s:g} to {b.to_s:g}",
                    str(b.count),
                    f"{b.confidence:.3f}",
                    f"{b.accuracy:.3f}",
                    f"{b.ece:.3f}",
                )
                for b in verdict.by_speech
            ],
        ),
        _coverage(verdict),
        Table("Left out", ("what", "count", "such as"), verdict.omissions.rows()),
    ]
    return [table for table in found if table.rows]


def score_table(title: str, scores: Mapping[str, StreamScore], note: str = "") -> Table:
    """Return a table with a row for each score."""
    head = ("", "streams", "minutes", *(name for name, _ in _FORMATS.values()))
    rows = [
        (
            name,
            str(score.streams),
            f"{score.minutes:.1f}",
            *(shown(score.figures[key], how) for key, (_, how) in _FORMATS.items()),
        )
        for name, score in scores.items()
    ]
    return Table(title, head, rows, note)


def to_text(verdict: StreamVerdict) -> str:
    """Lay the tables out for a terminal."""
    return "\n\n".join(map(text_table, tables(verdict))) + "\n"


def write_report(verdict: StreamVerdict, folder: str | Path, title: str) -> list[Path]:
    """Write `streams.json`, `streams.txt` and `streams.html` into a folder.

    Raises:
        OutputError: a file cannot be written.
    """
    images = [html_image(*picture) for picture in pictures(verdict)]
    first, *rest = map(html_table, tables(verdict))
    page = html_page(title, [first, *images, *rest])
    written = [
        write_bytes(Path(folder, HTML_FILE), page.encode()),
        write_bytes(Path(folder, TEXT_FILE), to_text(verdict).encode()),
    ]
    write_json(verdict.to_dict(), Path(folder, JSON_FILE))
    return [*written, Path(folder, JSON_FILE)]


def _intervals(score: StreamScore) -> Table:
    rows = [
        (name, shown(score.figures[key], how), f"{how(low)} to {how(high)}")
        for key, (name, how) in _FORMATS.items()
        if key in score.intervals
        for low, high in [score.intervals[key]]
    ]
    note = "95 % bootstrap, drawing streams again within their dataset."
    return Table("Intervals", ("", "all", "interval"), rows, note)


def _shares(verdict: StreamVerdict) -> Table:
    figures, online = verdict.overall.figures, verdict.online
    rows = [
        *((name, shown(figures[key], how)) for key, (name, how) in _SHARES.items()),
        (
            "same events in odd chunks",
            f"{online.get('equal', 0)} of {online.get('streams', 0)} streams",
        ),
    ]
    return Table("Delay and its shares", ("", ""), rows)


def _coverage(verdict: StreamVerdict) -> Table:
    rows = [
        (f"{100 * c.coverage:.0f} %", f"{c.confidence:.2f}", f"{100 * c.risk:.1f} %")
        for c in verdict.coverage[1::2]
    ]
    if verdict.named is not None:
        named = verdict.named
        rows.append(
            (
                f"named here: {100 * named.coverage:.0f} %",
                f"{named.confidence:.2f}",
                f"{100 * named.risk:.1f} %",
            )
        )
    head = ("share of answers", "from confidence", "wrong")
    return Table("Risk against coverage", head, rows)
