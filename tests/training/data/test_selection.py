"""Whole datasets are chosen to evaluate on, or kept out of training."""

from __future__ import annotations

from pathlib import Path

import pytest

from ser_rt.errors import ConfigError, DataError
from ser_rt.train import find_clips, parse_args
from ser_rt.training.data.selection import Selection, select_clips

LABELS = ("Neutral", "Joy")


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    rows = ("a,Joy,x,train", "b,Calm,x,train", "c,Joy,y,train", "d,Joy,y,val", "e,Shy,x,train")
    lines = ["file_path,emotion,dataset,split", *(f"{row[0]}.wav{row[1:]}" for row in rows)]
    path = tmp_path / "m.csv"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def names(clips: list[object]) -> list[str]:
    return [Path(str(getattr(clip, "path", clip))).stem for clip in clips]


def test_every_clip_is_wanted_or_left_out_with_its_reason(manifest: Path) -> None:
    selection = Selection("train", ["x"], ["x/Calm=Neutral"])
    wanted, left_out = select_clips(manifest, LABELS, selection)
    assert [(clip.path.stem, clip.emotion) for clip in wanted] == [("a", "Joy"), ("b", "Neutral")]
    reasons = [(Path(r.path).stem, r.other_split, r.other_dataset) for r in left_out]
    assert reasons == [("c", False, True), ("d", True, True), ("e", False, False)]
    assert [r.not_selected for r in left_out] == [True, True, False]
    with pytest.raises(DataError, match=r"'z'; it has \['x', 'y'\]"):
        select_clips(manifest, LABELS, Selection(datasets=["z"]))


def test_a_dataset_is_left_out_of_training_and_validation(manifest: Path) -> None:
    line = ["--manifest", str(manifest), "--split", "train", "--val-split", "val"]
    clips, held = find_clips(parse_args(line), LABELS)
    assert (names([*clips]), names([*held])) == (["a", "b", "c", "e"], ["d"])
    with pytest.raises(DataError, match="no clip of split 'val' is left to validate on"):
        find_clips(parse_args([*line, "--leave-out", "y"]), LABELS)
    clips, held = find_clips(parse_args([*line[:4], "--leave-out", "y"]), LABELS)
    assert (names([*clips]), names([*held])) == (["a", "b", "e"], [])
    with pytest.raises(DataError, match="'z'"):
        find_clips(parse_args([*line, "--leave_out", "z"]), LABELS)
    with pytest.raises(ConfigError, match="--leave-out needs --manifest"):
        parse_args(["--data-dir", "x", "--leave-out", "y"])
