from __future__ import annotations

from typing import Any

import pytest

from ser_rt.benchmarks.quality.table import PAGE, REGION, newest, region, tables
from ser_rt.benchmarks.report import results
from tests.support import documents


def part(uars: dict[str, float], ece: float) -> dict[str, Any]:
    figures = {
        name: {"clips": 10, "speakers": 2, "uar": uar, "ece": ece} for name, uar in uars.items()
    }
    return {
        "all": {"clips": 20, "speakers": 4, "uar": 0.5, "ece": ece},
        "datasets": figures,
        "speakers": {"s": {"uar": min(uars.values()), "clips": 10}},
        "worst_speaker": "s",
    }


def row(label: str, known: dict[str, Any], new: dict[str, Any] | None) -> dict[str, Any]:
    variant = {"runner": "quality", "model": label, "label": label}
    found = {"variant": variant, "status": "ok", "problem": ""}
    return found | {"new_speakers": known, "new_corpora": new}


@pytest.fixture
def document() -> dict[str, Any]:
    both = {"emodb": 0.5, "mine": 0.25}
    rows = [
        row("a", part({"emodb": 0.8, "mine": 0.4}, 0.2), part({"mine": 0.3}, 0.1)),
        row("b", part({"emodb": 0.6, "mine": 0.5}, 0.1), part({"emodb": 0.4, "mine": 0.35}, 0.3)),
        {"variant": {"label": "c"}, "status": "failed", "problem": "why"},
    ]
    chance = {"new_speakers": both, "new_corpora": both}
    return documents.document("quality", rows, labels=["Joy", "Sad"], chance=chance)


def test_each_model_has_a_column_and_the_best_is_bold(document: dict[str, Any]) -> None:
    figures, failed = tables(document)
    assert figures.head == ("UAR", "clips", "speakers", "chance", "a", "b")
    lines = {line[0]: line[1:] for line in figures.rows}
    assert lines["new speakers: EmoDB (German)"] == ("10", "2", "0.50", "**0.80**", "0.60")
    assert lines["new speakers: mean"] == ("", "", "0.38", "**0.60**", "0.55")
    assert lines["new speakers: ECE"][-2:] == ("0.20", "**0.10**")
    assert lines["corpus left out: EmoDB (German)"][-2:] == ("-", "0.40")
    assert lines["corpus left out: mine"][-2:] == ("0.30", "**0.35**")
    assert failed.rows == [("c", "why")]


def test_a_mean_over_fewer_corpora_is_none(document: dict[str, Any]) -> None:
    lines = {line[0]: line[-2:] for line in tables(document)[0].rows}
    assert lines["corpus left out: mean"][0] == lines["corpus left out: ECE"][0] == "-"
    assert lines["corpus left out: worst speaker"] == ("-", "0.35")


def test_the_docs_have_the_newest_result() -> None:
    path = newest()
    assert path is not None
    (document,) = results.read([path])
    text = f"<!-- {REGION}:begin -->\n{region(document)}<!-- {REGION}:end -->"
    assert text in PAGE.read_text(encoding="utf-8")
