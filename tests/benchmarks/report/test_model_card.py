from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from ser_rt.benchmarks.report.model_card import ROOT, data, details, models, scores, summary, write
from ser_rt.bundle import Bundle, built_in_bundles
from ser_rt.errors import DataError
from ser_rt.evaluation.sounds import SoundCount
from ser_rt.testing import tiny_bundle

BUNDLES = {name: Bundle.load(folder) for name, folder in built_in_bundles().items()}
PAGE = (ROOT / "docs/models.md").read_text(encoding="utf-8")


def score(uar: float, clips: int = 20, **more: Any) -> dict[str, Any]:
    return {"clips": clips, "speakers": 2, "uar": uar, "interval_clips": [0.1, 0.9], **more}


def evaluation() -> dict[str, Any]:
    """What ser-export puts into a manifest, with figures that are easy to follow."""
    clean = {"all": 0.6, "emodb": 0.8, "ravdess": 0.4}
    return {
        "labels": ["Neutral", "Joy"],
        "scores": {"all": score(0.6), "emodb": score(0.8), "ravdess": score(0.4)},
        "languages": {"de": score(0.8), "en": score(0.4)},
        "speakers": {
            "emodb_1": score(0.9, dataset="emodb"),
            "emodb_2": score(0.7, dataset="emodb"),
            "ravdess_1": score(0.3, dataset="ravdess"),
            "ravdess_2": score(0.0, clips=2, dataset="ravdess"),
        },
        "confusion": {name: [[7, 3], [5, 5]] for name in clean},
        "windows": {"whole": clean, "1 s": {"all": 0.5, "emodb": 0.5, "ravdess": 0.4}},
        "robustness": {"whole": clean, "telephone": {"all": 0.3, "emodb": 0.3, "ravdess": 0.3}},
        "calibration": {"ece": 0.05, "by_dataset": {"emodb": 0.02, "ravdess": 0.08}},
        "sounds": {
            "dogs": asdict(SoundCount(files=3, windows=30, classified=9, named=6, alarms=3)),
            "rain": asdict(SoundCount(files=1, windows=10)),
        },
        "left_out_corpora": {
            "temperature": 2.0,
            "corpora": {
                "nemo": {"clips": 9, "uar": 0.31, "ece": 0.22, "ece_after": None},
                "ravdess": {"clips": 9, "uar": 0.41, "ece": 0.2, "ece_after": 0.1},
            },
        },
    }


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    folder = tiny_bundle(
        tmp_path / "tiny",
        evaluation=evaluation(),
        training={"train": {"datasets": {"emodb": 3}}},
        licence={"weights": "MIT", "encoder": "started from Whisper"},
        notice="Be kind.",
    )
    return Bundle.load(folder)


def row(text: str, begin: str) -> list[str]:
    """Return the cells of the first row of a Markdown table that begins so."""
    line = next(line for line in text.splitlines() if line.startswith(f"| {begin}"))
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_the_readme_gives_the_figures_that_are_in_the_bundles() -> None:
    assert scores(BUNDLES) in (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_page_has_the_tables_of_the_bundles() -> None:
    for table in (summary, data, models):
        assert table(BUNDLES) in PAGE


@pytest.mark.parametrize("name", BUNDLES)
def test_the_model_card_gives_the_figures_that_are_in_the_bundle(name: str) -> None:
    assert details(BUNDLES[name]) in PAGE


@pytest.mark.parametrize("name", BUNDLES)
def test_a_built_in_model_has_a_notice(name: str) -> None:
    notice = BUNDLES[name].notice
    assert notice is not None
    assert "decide" in notice
    is_free = BUNDLES[name].licence["weights"] == "MIT"
    assert ("commercial" in notice) != is_free


@pytest.mark.parametrize("name", BUNDLES)
def test_a_built_in_model_is_small_and_says_where_it_comes_from(name: str) -> None:
    bundle = BUNDLES[name]
    most = 26e6 if bundle.architecture == "whisper" else 8e6
    assert sum(path.stat().st_size for path in bundle.folder.iterdir()) <= most
    classes = bundle.training["train"]["licence_classes"]
    free = classes == ["permissive"]
    assert bundle.licence["weights"] == ("MIT" if free else "CC-BY-NC-SA-4.0")
    trained = set(bundle.training["train"]["speakers"])
    assert "nemo_MK0" not in trained  # the figures come from speakers like this one


def test_the_summary_tells_new_voices_from_new_corpora(bundle: Bundle) -> None:
    found = summary({"tiny": bundle})
    assert row(found, "UAR, new voices of known")[1] == "**0.80**"
    assert row(found, "UAR, corpora never met")[1] == "**0.36**"  # the mean of those left out
    assert row(found, "chance")[1] == "0.50"
    beside = {"model.onnx": {"bytes": 200_000}, "model.onnx.data": {"bytes": 23_600_000}}
    assert row(summary({"tiny": replace(bundle, files=beside)}), "size")[1] == "23.8 MB, fp32"
    assert row(found, "worst speaker")[1] == "0.30 (ravdess_1)"
    assert row(found, "telephone")[1] == "0.30 (50 % of whole clips)"
    assert row(found, "false alarms")[1] == "7.5 %"
    here = {k: v for k, v in evaluation().items() if k != "left_out_corpora"}
    found = summary({"tiny": replace(bundle, evaluation=here)})
    assert row(found, "UAR, corpora never met")[1] == "**0.40**"  # RAVDESS alone


def test_a_model_that_was_not_judged_on_a_dataset_has_a_dash_there(bundle: Bundle) -> None:
    here = evaluation()
    del here["scores"]["emodb"]
    other = replace(bundle, evaluation=here)
    found = scores({"other": other, "tiny": bundle})
    assert row(found, "EmoDB")[1:4] == ["20", "2", "-"]
    assert row(found, "EmoDB")[4].startswith("**0.80**")


def test_corpora_are_named_with_their_licence(bundle: Bundle) -> None:
    found = data({"tiny": bundle})
    assert row(found, "EmoDB") == ["EmoDB", "German", "CC0 1.0", "3 clips"]
    assert row(found, "nEMO")[-1] == "-"
    mine = replace(bundle, training={"train": {"datasets": {"mine": 1234}}})
    assert row(data({"tiny": mine}), "mine") == ["mine", "?", "?", "1,234 clips"]


def test_details_have_every_table(bundle: Bundle) -> None:
    found = details(bundle)
    assert "> Be kind." in found
    assert "started from Whisper" in found
    assert row(found, "1 s") == ["1 s", "0.45", "0.75", "0.50", "0.40"]
    assert row(found, "telephone") == ["telephone", "0.30", "0.50", "0.30", "0.30"]
    assert row(found, "EmoDB (German)")[1:] == ["2", "emodb_2 0.70", "emodb_1 0.90", "0.80"]
    assert row(found, "RAVDESS (English)")[1] == "1"  # two clips are too few
    assert row(found, "1.00") == ["1.00", "0.050", "0.050", "0.020", "0.080"]
    assert row(found, "dogs")[1:] == ["3", "30", "30.0 %", "20.0 %", "10.0 %"]
    assert row(found, "nEMO (Polish)")[1:] == ["9", "0.31", "0.220", "-"]
    assert row(scores({"tiny": bundle}), "RAVDESS")[-1].startswith("**0.40**†")


def test_an_evaluation_of_an_older_version_has_fewer_tables(bundle: Bundle) -> None:
    later = ("languages", "speakers", "sounds", "left_out_corpora")
    old = {k: v for k, v in evaluation().items() if k not in later}
    old["calibration"] = {"ece": 0.05}
    found = details(replace(bundle, evaluation=old))
    assert "False alarms" not in found
    assert row(found, "1.00")[1] == "0.050"
    assert row(summary({"tiny": replace(bundle, evaluation=old)}), "false alarms")[1] == "-"


def test_only_what_is_between_the_marks_is_rewritten(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("a\n<!-- x:begin -->\nold\n<!-- x:end -->\nb <!-- y:begin -->\n")
    write(page, "x", "new\n")
    assert page.read_text().startswith("a\n<!-- x:begin -->\nnew\n<!-- x:end -->\nb ")
    with pytest.raises(DataError, match="z:begin"):
        write(page, "z", "new\n")


def test_an_error_of_before_the_temperature_is_not_that_of_the_graph(bundle: Bundle) -> None:
    fitted = {"ece": 0.25, "temperature": 2.503, "ece_after": 0.04}
    judged = replace(bundle, evaluation=evaluation() | {"calibration": fitted})
    assert row(summary({"tiny": judged}), "ECE, all clips")[1] == "0.250"
    graph = replace(judged, temperature=2.5)
    assert row(summary({"tiny": graph}), "ECE, all clips")[1] == "0.040"
    assert row(details(graph), "2.50")[1] == "0.040"


def test_a_model_that_was_judged_on_fewer_clips_is_named(bundle: Bundle) -> None:
    assert "fewer clips" not in scores({"tiny": bundle})
    less = evaluation()
    less["scores"]["ravdess"] = score(0.4, clips=12)
    text = scores({"tiny": bundle, "other": replace(bundle, evaluation=less)})
    assert "`other` was judged on fewer clips: RAVDESS (English), 12 of 2 speakers." in text
