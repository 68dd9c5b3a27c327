from __future__ import annotations

import json
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from ser_rt.benchmarks.__main__ import main
from ser_rt.benchmarks.report.targets import Figure, noted
from tests.support.documents import STAMP, document, row
from tests.support.source_tree import ROOT

pytest.importorskip("matplotlib")


def entry(figure: Figure, median_s: float) -> dict[str, Any]:
    return {"extra_info": {"figure": asdict(figure)}, "stats": {"median": median_s}}


def suite() -> dict[str, Any]:
    step = entry(Figure("step", "ms", 5, per_s=1e3), 0.004)
    return {"benchmarks": [step], "machine_info": {"ser_rt": STAMP}}


def write(path: Path, content: object) -> str:
    path.write_text(json.dumps(content), encoding="utf-8")
    return str(path)


@pytest.mark.parametrize(
    ("figure", "median_s", "cells"),
    [
        (Figure("step", "ms", 5, per_s=1e3), 0.004, ("step", "4 ms", "at most 5 ms")),
        (Figure("step", "ms", 5, per_s=1e3), 0.006, ("step", "6 ms", "at most 5 ms, missed")),
        (
            Figure("file", "× real time", 100, at_most=False, audio_s=30.0),
            0.1,
            ("file", "300 × real time", "at least 100 × real time"),
        ),
        (Figure("memory", "MB", 200, value=123.4), 9.0, ("memory", "123 MB", "at most 200 MB")),
    ],
)
def test_a_row_says_what_was_measured_and_whether_it_is_enough(
    figure: Figure, median_s: float, cells: tuple[str, ...]
) -> None:
    assert noted(entry(figure, median_s)) == cells


def test_a_benchmark_without_a_figure_has_no_row() -> None:
    assert noted({"extra_info": {}, "stats": {"median": 1.0}}) is None


def test_pages_have_a_place_for_the_tables() -> None:
    for name in ("README.md", "docs/benchmarks.md"):
        assert "<!-- speed:begin -->\n" in (ROOT / name).read_text(encoding="utf-8"), name


def test_the_readme_gives_the_figures_of_the_results(tmp_path: Path) -> None:
    page = tmp_path / "README.md"
    page.write_bytes((ROOT / "README.md").read_bytes())
    results = map(str, sorted((ROOT / "benchmarks/results").glob("*-peers-*.json")))
    assert main(["report", *results, "--readme", str(page)]) == 0
    assert page.read_bytes() == (ROOT / "README.md").read_bytes()
    assert main(["report", write(tmp_path / "c.json", suite()), "--readme", str(page)]) == 1


def test_one_page_holds_tables_and_plots_and_needs_nothing_beside_it(tmp_path: Path) -> None:
    rows = [row("transformers pipeline", 100.0), row("ser-rt mine int8", 10.0, floor_distance=1.4)]
    failed = {"variant": {"label": "audonnx"}, "status": "failed", "problem": "it is <missing>"}
    results = [
        write(tmp_path / "a.json", document("peers", [*rows, failed])),
        write(tmp_path / "b.json", [document("streams", [row("ser-rt streams", 1.0, streams=4)])]),
        write(tmp_path / "c.json", suite()),
    ]
    page, tables = tmp_path / "page.html", tmp_path / "tables.md"
    assert main(["report", *results, "--html", str(page), "--markdown", str(tables)]) == 0
    html = page.read_text(encoding="utf-8")
    assert not re.search(r"""(src|href)=["'](?!data:)""", html)
    captions = {"Latency distributions", "Distance to the arithmetic floor"}
    captions |= {"Streams against latency", "Could not be measured"}
    assert captions <= set(re.findall("<h2>(.*?)</h2>", html))
    assert "it is &lt;missing&gt;" in html
    text = tables.read_text(encoding="utf-8")
    assert "| ser-rt mine int8 | 10 |" in text
    assert "| step | 4 ms | at most 5 ms |" in text
    assert "A Processor, 2 cores" in text
    assert "commit abc; 2026-01-02." in text


def test_accuracy_is_drawn_over_latency_where_both_are_known(tmp_path: Path) -> None:
    compared: dict[str, Any] = {
        "variant": {"model": "mine", "label": "mine"},
        "status": "ok",
        "problem": "",
    }
    compared |= {"agreement": {"labels": 0.99, "with": "other", "windows": 3}, "uar": 0.5}
    results = [
        write(tmp_path / "a.json", document("latency", [row("ser-rt mine", 10.0)])),
        write(tmp_path / "b.json", document("agreement", [compared], clips=3)),
    ]
    assert main(["report", *results, "--html", str(tmp_path / "page.html")]) == 0
    assert "<h2>Accuracy against latency</h2>" in (tmp_path / "page.html").read_text()


def test_only_what_is_between_the_marks_of_a_page_is_rewritten(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("a\n<!-- speed:begin -->\nold\n<!-- speed:end -->\nb\n")
    peers = document("peers", [row("ser-rt mine", 10.0, cold_start_s=1.5)])
    results = [write(tmp_path / "c.json", suite()), write(tmp_path / "d.json", peers)]
    assert main(["report", *results, "--page", str(page)]) == 0
    text = page.read_text()
    assert text.startswith("a\n<!-- speed:begin -->\n**This runtime**")
    assert "| ser-rt mine | 10 | 10 |" in text
    assert "cold start" not in text
    assert text.endswith("<!-- speed:end -->\nb\n")
    assert "old" not in text


@pytest.mark.parametrize(
    ("content", "word"),
    [("{}", "is no result"), ("[1]", "is no result"), ("{", "cannot read")],
)
def test_what_is_no_result_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str, word: str
) -> None:
    path = tmp_path / "x.json"
    path.write_text(content)
    assert main(["report", str(path)]) == 1
    assert word in capsys.readouterr().err


def test_a_page_without_marks_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.md"
    page.write_text("nothing")
    assert main(["report", write(tmp_path / "c.json", suite()), "--page", str(page)]) == 1
    assert "speed:begin" in capsys.readouterr().err
    assert page.read_text() == "nothing"
