from __future__ import annotations

from pathlib import Path

import pytest

from ser_rt.benchmarks.report.model_card import ROOT, details, scores, write
from ser_rt.bundle import Bundle, built_in_bundles

BUNDLES = {name: Bundle.load(folder) for name, folder in built_in_bundles().items()}


def test_the_readme_gives_the_figures_that_are_in_the_bundles() -> None:
    assert scores(BUNDLES) in (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", BUNDLES)
def test_the_model_card_gives_the_figures_that_are_in_the_bundle(name: str) -> None:
    assert details(BUNDLES[name]) in (ROOT / "docs/models.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", BUNDLES)
def test_a_built_in_model_is_small_and_says_where_it_comes_from(name: str) -> None:
    bundle = BUNDLES[name]
    assert bundle.parameters <= 3_000_000
    assert sum(path.stat().st_size for path in bundle.folder.iterdir()) <= 8e6
    classes = bundle.training["train"]["licence_classes"]
    free = classes == ["permissive"]
    assert bundle.licence["weights"] == ("MIT" if free else "CC-BY-NC-SA-4.0")
    trained = set(bundle.training["train"]["speakers"])
    assert "nemo_MK0" not in trained  # the figures come from speakers like this one


def test_only_what_is_between_the_marks_is_rewritten(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("a\n<!-- x:begin -->\nold\n<!-- x:end -->\nb <!-- y:begin -->\n")
    write(page, "x", "new\n")
    assert page.read_text().startswith("a\n<!-- x:begin -->\nnew\n<!-- x:end -->\nb ")
    with pytest.raises(SystemExit, match="has no region z"):
        write(page, "z", "new\n")
