"""Reports of an evaluation: tables as text, and one self-contained HTML file."""

from __future__ import annotations

from itertools import starmap
from pathlib import Path
from typing import TYPE_CHECKING

from ser_rt.constants import EMOTIONS
from ser_rt.evaluation.plots import (
    bars_figure,
    class_figure,
    confusion_figure,
    png,
    reliability_figure,
)
from ser_rt.evaluation.scores import FEW_SPEAKERS
from ser_rt.evaluation.sounds import SURE, SoundCount
from ser_rt.evaluation.verdict import WORST, chance_of, verdict_of, wrong
from ser_rt.files.writing import write_bytes, write_json
from ser_rt.tables import Table, html_figure, html_image, html_page, html_table, shown, text_table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ser_rt.evaluation.scores import Evaluation, Score


def tables(evaluation: Evaluation) -> list[Table]:
    """Return the tables of an evaluation, most important first; empty ones are left out."""
    datasets = evaluation.groups.get("dataset", {})
    verdict = verdict_of(evaluation)
    found = [
        Table("Verdict", ("",), [(line,) for line in verdict]),
        _scores("Overall", {"all": evaluation.overall} | datasets),
        _classes(evaluation.overall),
        Table(
            "Confusion: rows are true, columns predicted",
            ("", *evaluation.labels),
            [
                (label, *map(str, row))
                for label, row in zip(evaluation.labels, evaluation.overall.confusion, strict=True)
                if any(row)
            ],
        ),
        _calibration(evaluation),
        _conditions("Window length", evaluation.windows, _WINDOWS_NOTE),
        _conditions("Robustness", evaluation.robustness, _ROBUSTNESS_NOTE),
        Table(
            "Dimensions",
            ("", "CCC", "clips"),
            [
                (name, shown(c.ccc, "{:.3f}".format), str(c.clips))
                for name, c in evaluation.dimensions.items()
            ],
            "Concordance correlation coefficient: 1 is perfect, 0 is guessing.",
        ),
        _sounds(evaluation),
        *(
            _scores(f"By {column}", scores)
            for column, scores in evaluation.groups.items()
            if column != "dataset"
        ),
        _wrong(evaluation),
        Table("Failed", ("file", "reason"), list(evaluation.failed.items())),
        _left_out(evaluation),
        Table("About", ("", ""), list(evaluation.about.items())),
    ]
    return [table for table in found if table.rows]


def to_text(evaluation: Evaluation) -> str:
    """Lay the tables out for a terminal."""
    return "\n\n".join(map(text_table, tables(evaluation))) + "\n"


_BESIDE = {
    "confusion": "Confusion",
    "classes": "Classes",
    "reliability": "Calibration",
    "windows": "Window length",
    "robustness": "Robustness",
}
"""The beginning of the title of the table that each picture is of."""


def to_html(evaluation: Evaluation, images: Mapping[str, bytes], title: str) -> str:
    """Put tables and PNG images, by caption, into one page without outside references.

    A picture is beside its table; those of no table are at the end.
    """
    rest, parts = dict(images), []
    for table in tables(evaluation):
        parts.append(html_table(table))
        for name, beginning in _BESIDE.items():
            if name in rest and table.title.startswith(beginning):
                parts.append(html_figure(name, rest.pop(name)))
    return html_page(title, [*parts, *starmap(html_image, rest.items())])


def write_report(evaluation: Evaluation, folder: str | Path, title: str) -> list[Path]:
    """Write `evaluation.json`, `report.txt`, `report.html` and the plots as PNG into a folder.

    Raises:
        OutputError: a file cannot be written.
    """
    overall = evaluation.overall
    figures = {
        "confusion": confusion_figure(overall.confusion, evaluation.labels),
        "classes": class_figure(overall.classes),
        "reliability": reliability_figure(evaluation.calibration.curve),
    }
    if evaluation.windows:
        figures["windows"] = bars_figure(evaluation.windows, "UAR")
        figures["robustness"] = bars_figure(evaluation.robustness, "UAR")
    images = {name: png(figure) for name, figure in figures.items()}
    files = {f"{name}.png": data for name, data in images.items()}
    for name, score in evaluation.groups.get("dataset", {}).items():
        figure = confusion_figure(score.confusion, evaluation.labels)
        images[f"confusion of {name}"] = png(figure)
    files["report.html"] = to_html(evaluation, images, title).encode()
    files["report.txt"] = to_text(evaluation).encode()
    written = [write_bytes(Path(folder, name), data) for name, data in files.items()]
    write_json(evaluation.to_dict(), Path(folder, "evaluation.json"))
    return [*written, Path(folder, "evaluation.json")]


_SCORES_NOTE = (
    "UAR: mean recall of the classes that occur; chance: that of guessing. Intervals: 95 % "
    "bootstrap, drawing speakers again (within their dataset) and drawing clips again; the "
    "second is too narrow for unseen "
    f"speakers. With under {FEW_SPEAKERS} speakers (*) the first has few different draws: take "
    "neither as more than a hint."
)
_WINDOWS_NOTE = (
    "UAR of single windows, side by side from the start of every clip; a rest shorter than the "
    "window is left out, a shorter clip is classified whole."
)
_ROBUSTNESS_NOTE = "UAR of whole clips, under the condition in the first column."


def _scores(title: str, scores: Mapping[str, Score]) -> Table:
    drawn = any(s.interval_clips for s in scores.values())
    rows = [
        (
            name,
            str(s.clips),
            f"{s.speakers}{'*' if 0 < s.speakers < FEW_SPEAKERS else ''}" if s.speakers else "?",
            str(sum(c.support > 0 for c in s.classes.values())),
            f"{s.uar:.3f}",
            f"{chance_of(s):.3f}",
            *((_interval(s.interval_speakers), _interval(s.interval_clips)) if drawn else ()),
            f"{s.weighted_accuracy:.3f}",
            f"{s.macro_f1:.3f}",
        )
        for name, s in scores.items()
    ]
    intervals = ("over speakers", "over clips") if drawn else ()
    head = ("", "clips", "speakers", "classes", "UAR", "chance", *intervals, "WA", "macro-F1")
    return Table(title, head, rows, _SCORES_NOTE if title == "Overall" else "")


def _classes(overall: Score) -> Table:
    rows = [
        (label, f"{s.precision:.3f}", f"{s.recall:.3f}", f"{s.f1:.3f}", str(s.support))
        for label, s in overall.classes.items()
        if s.support
    ]
    absent = [label for label, s in overall.classes.items() if not s.support]
    note = f"Without a clip, and so in no mean: {', '.join(absent)}." if absent else ""
    return Table("Classes", ("", "precision", "recall", "F1", "support"), rows, note)


def _calibration(evaluation: Evaluation) -> Table:
    c = evaluation.calibration
    rows = [("as it is", "", f"{c.ece:.3f}", f"{c.nll:.3f}")]
    if len(c.by_dataset) > 1:
        rows += [(f"  {name}", "", f"{ece:.3f}", "") for name, ece in c.by_dataset.items()]
    if c.ece_after is not None and c.nll_after is not None:
        rows.append(
            ("temperature", f"{c.temperature:.2f}", f"{c.ece_after:.3f}", f"{c.nll_after:.3f}")
        )
    note = (
        "ECE: expected calibration error, 15 bins. NLL: negative log-likelihood in nats. The "
        f"last row is cross-fitted: a fold, split by {c.folds_by}, uses the temperature that "
        "fits the others; the temperature shown fits all."
    )
    return Table("Calibration", ("", "temperature", "ECE", "NLL"), rows, note)


def _conditions(title: str, values: Mapping[str, Mapping[str, float]], note: str) -> Table:
    columns = list(dict.fromkeys(name for row in values.values() for name in row))
    rows = [(name, *(f"{row[c]:.3f}" for c in columns)) for name, row in values.items()]
    return Table(title, ("", *columns), rows, note)


def _sounds(evaluation: Evaluation) -> Table:
    counts = evaluation.sounds
    total = sum(counts.values(), SoundCount())
    rows = [
        (
            name,
            str(c.files),
            str(c.windows),
            *(f"{100 * c.share(part):.1f} %" for part in (c.classified, c.named, c.alarms)),
        )
        for name, c in {**counts, "all": total}.items()
        if c.windows
    ]
    note = (
        "Sounds without words, each streamed by itself: windows that the speech gate lets through, "
        f"that are named anything with a confidence above {SURE:g}, and that are named an emotion "
        "other than Neutral with it."
    )
    head = ("", "files", "windows", "classified", "named", "false alarms")
    return Table("False alarms", head, rows, note)


def _wrong(evaluation: Evaluation) -> Table:
    mistaken = wrong(evaluation.predictions)
    rows = [
        (one.path, one.true, one.predicted, f"{one.probabilities[one.predicted]:.2f}")
        for one in mistaken[:WORST]
    ]
    more = f" {len(mistaken)} went wrong; evaluation.json has all." if mistaken else ""
    note = f"The surest mistakes first.{more}"
    return Table("Clips that went wrong", ("file", "true", "predicted", "confidence"), rows, note)


def _left_out(evaluation: Evaluation) -> Table:
    unknown = [
        (label, str(count), "not of the model" if label in EMOTIONS else "unknown")
        for label, count in evaluation.left_out.items()
    ]
    others = [
        (f"split {split}" if split else "without a split", str(count), "not selected")
        for split, count in evaluation.other_splits.items()
    ]
    others += [
        (f"dataset {name}" if name else "without a dataset", str(count), "not selected")
        for name, count in evaluation.other_datasets.items()
    ]
    note = "evaluation.json lists them by path." if evaluation.left_out_clips else ""
    return Table("Left out", ("what", "clips", "why"), [*unknown, *others], note)


def _interval(interval: tuple[float, float] | None) -> str:
    return "-" if interval is None else f"{interval[0]:.3f} to {interval[1]:.3f}"
