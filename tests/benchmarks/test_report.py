from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest

from benchmarks.figures import Figure, noted
from benchmarks.report import README, REGION, table


def entry(figure: Figure, median_s: float) -> dict[str, Any]:
    return {"extra_info": asdict(figure), "stats": {"median": median_s}}


@pytest.mark.parametrize(
    ("figure", "median_s", "row"),
    [
        (Figure("step", "ms", 5, per_s=1e3), 0.004, "| step | 4 ms | at most 5 ms |"),
        (Figure("step", "ms", 5, per_s=1e3), 0.006, "| step | 6 ms | at most 5 ms, missed |"),
        (
            Figure("file", "× real time", 100, at_most=False, audio_s=30.0),
            0.1,
            "| file | 300 × real time | at least 100 × real time |",
        ),
        (Figure("memory", "MB", 200, value=123.4), 9.0, "| memory | 123 MB | at most 200 MB |"),
    ],
)
def test_a_row_says_what_was_measured_and_whether_it_is_enough(
    figure: Figure, median_s: float, row: str
) -> None:
    assert figure.row(median_s) == row


def test_a_benchmark_without_a_figure_has_no_row() -> None:
    assert noted({"extra_info": {}, "stats": {"median": 1.0}}) is None


def test_the_table_says_where_and_when() -> None:
    results = {
        "benchmarks": [entry(Figure("step", "ms", 5, per_s=1e3), 0.004)],
        "machine_info": {
            "cpu": {"brand_raw": "A Processor"},
            "machine": "x86_64",
            "system": "Linux",
            "python_version": "3.11.7",
        },
        "commit_info": {"id": "0123456789", "dirty": True},
        "datetime": "2026-01-02T03:04:05+00:00",
    }
    text = table(results)
    assert "| step | 4 ms | at most 5 ms |" in text
    assert "A Processor" in text
    assert "commit 0123456 with changes; 2026-01-02." in text


def test_the_readme_has_a_place_for_the_table() -> None:
    assert REGION.search(README.read_text(encoding="utf-8"))
