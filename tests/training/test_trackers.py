"""Figures reach MLflow and Weights & Biases, without a network."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import Any

import pytest

from ser_rt.errors import MissingDependencyError, TrainingError
from tests.support.small_training import corpus, trainer

FIGURES = {"loss", "eval_loss", "eval_uar", "eval_f1", "learning_rate"}


pytestmark = pytest.mark.usefixtures("small_and_alone")


@pytest.fixture(autouse=True)
def _no_settings_of_trackers(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("MLFLOW_", "WANDB_"))]:
        monkeypatch.delenv(name)


def train(tmp_path: Path, report_to: str) -> Path:
    clips = corpus(tmp_path / "corpus", speakers=2, takes=2)
    trainer(tmp_path / "run", batch_size=2, report_to=report_to).train(clips)
    return tmp_path / "run"


def test_mlflow_gets_a_folder_of_the_run(tmp_path: Path) -> None:
    pytest.importorskip("mlflow", reason="mlflow-skinny is not installed")
    run = train(tmp_path, "mlflow")
    written = {path.name: path for path in run.glob("mlruns/*/*/metrics/*")}
    assert written.keys() >= FIGURES
    assert [line.split()[2] for line in written["eval_uar"].read_text().splitlines()] == ["3", "6"]
    assert "MLFLOW_TRACKING_URI" not in os.environ


def test_wandb_offline_gets_a_folder_of_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("wandb", reason="wandb is not installed")
    monkeypatch.setenv("WANDB_MODE", "offline")
    run = train(tmp_path, "wandb")
    (written,) = run.glob("wandb/offline-run-*/*.wandb")
    content = written.read_bytes()
    for name in ("train/loss", "eval/uar", "eval/f1", "train/best_uar"):
        assert name.encode() in content


def test_wandb_without_a_key_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wandb: Any = pytest.importorskip("wandb", reason="wandb is not installed")

    def refuse(**_: object) -> None:
        msg = "No API key configured."
        raise wandb.errors.UsageError(msg)

    monkeypatch.setattr(wandb, "init", refuse)
    with pytest.raises(TrainingError, match=r"wandb failed: No API key.*WANDB_MODE=offline"):
        train(tmp_path, "wandb")


@pytest.mark.parametrize(
    ("report_to", "package"), [("mlflow", "mlflow-skinny"), ("wandb", "wandb")]
)
def test_a_missing_package_is_named_with_its_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, report_to: str, package: str
) -> None:
    real = importlib.util.find_spec

    def without(name: str, *args: Any) -> Any:
        return None if name == report_to else real(name, *args)

    monkeypatch.setattr(importlib.util, "find_spec", without)
    with pytest.raises(MissingDependencyError, match=f"pip install {package}$"):
        train(tmp_path, report_to)
    assert not (tmp_path / "run").exists()
