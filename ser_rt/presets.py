"""Settings that belong together, by name, for `ser-train --preset`."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from ser_rt.config import DataConfig, ModelConfig, TrainingConfig


class Preset(NamedTuple):
    """What to build, how to train it, and how to read the clips."""

    model: ModelConfig
    training: TrainingConfig
    data: DataConfig


def _compact(*labels: str, epochs: int) -> Preset:
    return Preset(
        ModelConfig(
            architecture="compact",
            model_name="",
            emotion_labels=labels,
            head_dropout=0.3,
        ),
        TrainingConfig(
            learning_rate=3e-3,
            batch_size=32,
            gradient_accumulation_steps=1,
            warmup_steps=600,
            num_epochs=epochs,
            weight_decay=0.05,
            label_smoothing=0.1,
            ema_decay=0.995,
            balance=0.6,
        ),
        DataConfig(val_share=0.0),
    )


PRESETS: dict[str, Preset] = {
    "wav2vec2": Preset(ModelConfig(), TrainingConfig(), DataConfig()),
    "compact": _compact("Neutral", "Angry", "Joy", "Sad", "Surprise", "Fear", epochs=60),
    # A tenth of the clips: as many steps take more epochs. None of them is Surprise.
    "compact-free": _compact("Neutral", "Angry", "Joy", "Sad", "Fear", epochs=300),
}


def copy_preset(name: str) -> Preset:
    """Return a preset's settings, free to be changed."""
    preset = PRESETS[name]
    return Preset(replace(preset.model), replace(preset.training), replace(preset.data))
