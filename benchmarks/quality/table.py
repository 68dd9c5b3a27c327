"""The table of `ser-bench quality`; `python -m benchmarks.quality.table` puts it into docs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from ser_rt.benchmarks.measure.machine import line
from ser_rt.benchmarks.quality.judging import FEWEST_CLIPS
from ser_rt.benchmarks.report import results
from ser_rt.benchmarks.report.model_card import DATASETS, ROOT, write
from ser_rt.tables import Table, markdown_table

Row = dict[str, Any]

PARTS = {"new_speakers": "new speakers", "new_corpora": "corpus left out"}
REGION, PAGE = "quality", ROOT / "docs" / "models.md"


def tables(document: Row) -> list[Table]:
    """Return the figures, a column for each recognizer, and what could not be judged."""
    rows = document["rows"]
    done = [row for row in rows if row["status"] == "ok"]
    failed = [(row["variant"]["label"], row["problem"]) for row in rows if row["status"] != "ok"]
    found = []
    if done:
        head = ("UAR", "clips", "speakers", "chance", *(row["variant"]["label"] for row in done))
        lines = [line for part in PARTS for line in _lines(document, part, done)]
        found.append(Table("Quality, side by side", head, lines, _note(document)))
    if failed:
        found.append(Table("Could not be judged", ("", "reason"), failed))
    return found


def _lines(document: Row, part: str, rows: Sequence[Row]) -> Iterator[tuple[str, ...]]:
    """Yield the lines of a part: each dataset, their mean, the worst speaker, calibration."""
    chance = document["chance"].get(part, {})
    if not chance:
        return
    parts = [row[part] for row in rows]
    for name, guess in chance.items():
        found = [_dataset(one, name) for one in parts]
        sizes = next((one for one in found if one), {"clips": 0, "speakers": 0})
        yield (
            f"{PARTS[part]}: {DATASETS.get(name, name)}",
            f"{sizes['clips']:,}",
            str(sizes["speakers"]),
            f"{guess:.2f}",
            *_best_bold([one["uar"] if one else None for one in found], max),
        )
    whole = [one if one and one["datasets"].keys() == chance.keys() else None for one in parts]
    mean = sum(chance.values()) / len(chance)
    for what, guess, best, figure in (
        ("mean", f"{mean:.2f}", max, _mean),
        ("worst speaker", "", max, _worst),
        ("ECE", "", min, _error),
    ):
        values = [figure(one) if one else None for one in whole]
        yield (f"{PARTS[part]}: {what}", "", "", guess, *_best_bold(values, best))


def _dataset(part: Row | None, name: str) -> Row | None:
    return part["datasets"].get(name) if part else None


def _mean(part: Row) -> float | None:
    uars: list[float] = [one["uar"] for one in part["datasets"].values()]
    return sum(uars) / len(uars)


def _worst(part: Row) -> float | None:
    uar: float | None = part["speakers"].get(part["worst_speaker"], {}).get("uar")
    return uar


def _error(part: Row) -> float | None:
    ece: float = part["all"]["ece"]
    return ece


def _best_bold(
    values: Sequence[float | None], best: Callable[[Iterable[float]], float]
) -> Iterator[str]:
    """Write figures, the best of them bold, and a dash for none."""
    found = [round(value, 2) for value in values if value is not None]
    for value in values:
        if value is None:
            yield "-"
        elif len(set(found)) > 1 and round(value, 2) == best(found):
            yield f"**{value:.2f}**"
        else:
            yield f"{value:.2f}"


def _note(document: Row) -> str:
    chosen = [
        f"{row['variant']['label']} {row['chosen']['new speakers']['settings']}"
        for row in document["rows"]
        if row.get("chosen")
    ]
    settings = f" Chosen: {'; '.join(chosen)}." if chosen else ""
    return (
        f"UAR of whole clips among {', '.join(document['labels'])}; an emotion that a model does "
        "not know counts as missed. ECE: expected calibration error over all clips of that part. "
        "Corpus left out: all clips of a corpus on which nothing was trained; peers are trained "
        "again without each, and a model of ours has a figure where its training had none of it. "
        f"Worst speaker: of those with {FEWEST_CLIPS} clips at least.{settings}"
    )


def region(document: Row) -> str:
    """Return the text between the marks of the docs."""
    laid = map(markdown_table, tables(document))
    return "\n\n".join([*laid, f"{line(document)}."]) + "\n"


def newest() -> Path | None:
    """Return the newest result."""
    return max((ROOT / "benchmarks" / "results").glob("*-quality.json"), default=None)


def main() -> int:
    """Rewrite the region of the docs."""
    path = newest()
    if path is None:
        print("benchmarks.quality.table: no result yet: run ser-bench quality", file=sys.stderr)
        return 1
    (document,) = results.read([path])
    write(PAGE, REGION, region(document))
    return 0


if __name__ == "__main__":
    sys.exit(main())
