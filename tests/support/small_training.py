"""Trainings that take a second: a compact network, and emotions that are rhythms."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from ser_rt.config import DataConfig, ModelConfig, TrainingConfig
from ser_rt.trainer import SpeechEmotionTrainer, create_trainer
from ser_rt.training.data.corpus import Clip, load_manifest
from tests.support.pulses import RHYTHM_HZ, write_corpus

COMPACT = ModelConfig(architecture="compact", model_name="", emotion_labels=tuple(RHYTHM_HZ))
DATA = DataConfig(min_crop_s=0.6, max_crop_s=0.8, num_workers=0, data_augmentation=False)
TRAINING = TrainingConfig(
    learning_rate=1e-3,
    batch_size=8,
    gradient_accumulation_steps=1,
    warmup_steps=0,
    num_epochs=2,
    report_to="none",
)


def training(folder: Path, **changes: Any) -> TrainingConfig:
    """Return settings of a run in `folder`."""
    return replace(TRAINING, output_dir=str(folder), **changes)


def trainer(folder: Path, **changes: Any) -> SpeechEmotionTrainer:
    """Return what trains the compact network into `folder`, with averaged weights."""
    how: dict[str, Any] = {"ema_decay": 0.5, "warmup_steps": 2} | changes
    return create_trainer(COMPACT, training(folder, **how), DATA)


def corpus(folder: Path, **size: int) -> list[Clip]:
    """Write clips, and return them; `size` is that of `write_corpus`."""
    return load_manifest(write_corpus(folder, **size), tuple(RHYTHM_HZ))
