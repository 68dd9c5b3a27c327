"""Figures reach MLflow and Weights & Biases, without a network."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import Any

import pytest
import torch

from ser_rt.config import DataConfig, ModelConfig, TrainingConfig
from ser_rt.errors import MissingDependencyError, TrainingError
from ser_rt.trainer import create_trainer
from tests.pulses import RHYTHM_HZ, write_corpus

FIGURES = {"loss", "eval_loss", "eval_uar", "eval_f1", "learning_rate"}


@pytest.fixture(autouse=True)
def _small_and_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SER_RT_CACHE", str(tmp_path / "cache"))
    for name in [name for name in os.environ if name.startswith(("MLFLOW_", "WANDB_"))]:
        monkeypatch.delenv(name)
    torch.set_num_threads(1)


def train(tmp_path: Path, report_to: str) -> Path:
    from ser_rt.corpus import load_manifest

    manifest = write_corpus(tmp_path / "corpus", speakers=2, takes=2)
    run = tmp_path / "run"
    create_trainer(
        ModelConfig(architecture="compact", model_name="", emotion_labels=tuple(RHYTHM_HZ)),
        TrainingConfig(
            output_dir=str(run),
            batch_size=2,
            gradient_accumulation_steps=1,
            num_epochs=2,
            report_to=report_to,
        ),
        DataConfig(max_crop_s=1.1, num_workers=0),
    ).train(load_manifest(manifest, tuple(RHYTHM_HZ)))
    return run


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
