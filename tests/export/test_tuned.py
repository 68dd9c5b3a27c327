"""What ser-tune stored in a bundle is there after an export of the same network, and only then."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ser_rt.bundle import Bundle, write_profile
from ser_rt.export.tuned import keep_tuning
from ser_rt.manifest import Label, Manifest
from ser_rt.profiles import Profile
from tests.export.conftest import TRAINING, Export

CALM = Profile(enter=0.6, hold_s=2.0)


@pytest.fixture
def tuned(wav2vec2: Path, export_once: Export, tmp_path: Path) -> Path:
    folder = export_once(wav2vec2, tmp_path / "tuned")
    write_profile(folder, "calm", CALM, {1.0: 1.3})
    return folder


def test_another_precision_has_the_profiles(
    wav2vec2: Path, export_once: Export, tuned: Path
) -> None:
    said: list[str] = []
    bundle = Bundle.load(export_once(wav2vec2, tuned, said.append, precision="fp16"))
    assert bundle.precision == "fp16"
    assert (bundle.profiles, bundle.temperature_by_speech) == ({"calm": CALM}, {1.0: 1.3})
    assert "with the profiles it had (calm)" in said[-1]


def test_another_window_has_none(wav2vec2: Path, export_once: Export, tuned: Path) -> None:
    said: list[str] = []
    bundle = Bundle.load(export_once(wav2vec2, tuned, said.append, window_s=2.0))
    assert (bundle.profiles, bundle.temperature_by_speech) == ({}, {})
    assert any(
        line.startswith("warning") and "in tuned (calm)" in line and "(window_s changed)" in line
        for line in said
    )
    assert "profiles" not in said[-1]


@pytest.mark.parametrize(
    "changes",
    [
        {"temperature": 2.0},
        {"training": TRAINING | {"steps": 7}},
        {"labels": (Label(0, "Neutral", "중립"), Label(1, "Joy", "기쁨"))},
        {"layers": {"kept": 1, "of": 2}},
        {"hop_s": 0.25},
    ],
)
def test_so_has_another_network(tuned: Path, changes: dict[str, Any]) -> None:
    said: list[str] = []
    new = replace(Manifest.read(tuned), profiles={}, temperature_by_speech={})
    assert keep_tuning(new, tuned, None, said.append).profiles == {"calm": CALM}
    assert keep_tuning(replace(new, **changes), tuned, None, said.append).profiles == {}
    assert len(said) == 1
    assert f"({next(iter(changes))} changed)" in said[0]


def test_where_nothing_was_there_is_nothing_to_keep(tuned: Path, tmp_path: Path) -> None:
    new = replace(Manifest.read(tuned), profiles={})
    (tmp_path / "manifest.json").write_text("broken")
    for place in (tmp_path / "none", tmp_path):
        assert keep_tuning(new, place, None, pytest.fail) is new


def test_profiles_of_the_bundle_that_is_replaced_come_first(tuned: Path, tmp_path: Path) -> None:
    at_out = Manifest.read(tuned)
    new = replace(at_out, profiles={}, temperature_by_speech={})
    origin = replace(at_out, name="origin", profiles={"quick": CALM})
    assert keep_tuning(new, tuned, origin, pytest.fail).profiles == {"calm": CALM}
    assert keep_tuning(new, tmp_path, origin, pytest.fail).profiles == {"quick": CALM}


def test_the_temperature_of_turns_goes_along_without_profiles(tuned: Path, tmp_path: Path) -> None:
    bare = replace(Manifest.read(tuned), profiles={}, temperature_by_speech={})
    origin = replace(bare, turn_temperature=0.7)
    assert keep_tuning(bare, tmp_path, origin, pytest.fail).turn_temperature == 0.7


def test_each_bundle_whose_profiles_are_lost_is_named(tuned: Path) -> None:
    said: list[str] = []
    at_out = Manifest.read(tuned)
    new = replace(at_out, profiles={}, temperature_by_speech={}, temperature=2.0)
    origin = replace(at_out, name="origin", temperature=2.0)
    assert keep_tuning(new, tuned, origin, said.append).profiles == {"calm": CALM}
    assert len(said) == 1
    assert "stored in tuned (calm)" in said[0]
    keep_tuning(replace(new, temperature=3.0), tuned, origin, said.append)
    assert ["tuned" in said[1], "origin" in said[2]] == [True, True]
