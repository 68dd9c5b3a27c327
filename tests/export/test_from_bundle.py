"""A bundle is exported again at another precision, without the run folder that it came from."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from ser_rt.bundle import Bundle, built_in_bundles, write_profile
from ser_rt.export.__main__ import main
from ser_rt.export.network import QUANTIZED
from ser_rt.profiles import Profile
from ser_rt.runtime.backends.onnx_classifier import OnnxClassifier
from tests.conftest import make_wave
from tests.export.conftest import Export

CALM = Profile(enter=0.6, hold_s=2.0)
NEAR = 0.007
"""Of a probability: what 8 bits in the arithmetic, and no longer in the weights alone, make."""


def answers(folder: Path, *, streaming: bool | None = None) -> np.ndarray:
    waves = np.stack([make_wave(3.0, seed=seed) for seed in range(4)])
    return OnnxClassifier(Bundle.load(folder), streaming=streaming)(waves)


@pytest.fixture
def int8(whisper: Path, export_once: Export, tmp_path: Path) -> Path:
    folder = shutil.copytree(export_once(whisper, precision="int8"), tmp_path / "int8")
    write_profile(folder, "calm", CALM, {1.0: 1.3})
    path = folder / "manifest.json"
    own = {"notice": "Be kind.", "version": "2.1.0", "window_s": 2.0, "evaluation": {"scores": 1}}
    manifest = json.loads(path.read_text("utf-8")) | own
    path.write_text(json.dumps(manifest), "utf-8")
    return folder


def test_int8_becomes_fp16(int8: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = [str(int8), "--out", str(tmp_path / "fp16"), "--precision", "fp16"]
    assert main(line) == 0, capsys.readouterr().err
    assert f"warning: {QUANTIZED}" in capsys.readouterr().err
    old, new = Bundle.load(int8), Bundle.load(tmp_path / "fp16")
    assert (new.precision, new.name, new.warnings) == ("fp16", "fp16", [QUANTIZED])
    same = ("labels", "training", "licence", "model", "temperature", "notice", "profiles")
    for name in (*same, "version", "window_s", "evaluation"):
        assert getattr(new, name) == getattr(old, name), name
    assert new.temperature_by_speech == {1.0: 1.3}
    assert new.gates["passed"]
    assert new.streaming is not None
    assert np.abs(answers(int8) - answers(new.folder)).max() < NEAR
    assert np.ptp(answers(new.folder), axis=0).max() > 2 * NEAR


def test_what_a_flag_sets_is_not_the_bundles(
    int8: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--window", "3", "--model-version", "3.0.0", "--temperature", "2", "--windows-only"]
    link = tmp_path / "current"
    link.symlink_to("v3")
    assert main([str(int8), "--out", str(link), *flags]) == 0
    said = capsys.readouterr().err
    assert "the evaluation in mine is left out" in said
    assert "(temperature changed)" in said
    assert link.is_symlink()
    bundle = Bundle.load(tmp_path / "v3")
    assert (bundle.window_s, bundle.version, bundle.name) == (3.0, "3.0.0", "v3")
    assert (bundle.evaluation, bundle.profiles) == ({}, {})


def test_it_may_take_its_own_place(int8: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = answers(int8)
    assert main([str(int8), "--out", str(int8), "--windows-only"]) == 0, capsys.readouterr().err
    bundle = Bundle.load(int8)
    assert (bundle.precision, bundle.streaming) == ("fp32", None)
    assert bundle.profiles == {"calm": CALM}
    assert np.abs(answers(int8) - before).max() < NEAR


def test_a_built_in_one_goes_by_its_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["compact", "--out", str(out), "--precision", "fp16"]) == 0, capsys.readouterr().err
    old, new = Bundle.load(built_in_bundles()["compact"]), Bundle.load(out)
    assert new.notice == old.notice
    assert new.profiles == old.profiles
    assert new.precision == "fp16"
    assert np.abs(answers(old.folder) - answers(out)).max() < 0.02


def test_a_damaged_one_is_refused(
    int8: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (int8 / "model.onnx").write_bytes(b"damaged")
    assert main([str(int8), "--out", str(tmp_path / "out")]) == 1
    assert "model.onnx" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    assert main(["basse", "--out", str(tmp_path / "out")]) == 1
    assert "basse" in capsys.readouterr().err
