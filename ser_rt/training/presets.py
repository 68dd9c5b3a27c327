"""`PRESETS`: settings that belong together, by name, for `ser-train --preset`."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from ser_rt.config import DataConfig, ModelConfig, TrainingConfig


class Preset(NamedTuple):
    """Settings of the model, the training and the data."""

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
            warmup_steps=200,
            num_epochs=epochs,
            weight_decay=0.05,
            label_smoothing=0.1,
            ema_decay=0.995,
            balance=0.6,
        ),
        DataConfig(channel_share=0.3, trim_silence=True, val_share=0.0),
    )


PRESETS: dict[str, Preset] = {
    "wav2vec2": Preset(ModelConfig(), TrainingConfig(), DataConfig()),
    "compact": _compact("Neutral", "Angry", "Joy", "Sad", "Surprise", "Fear", epochs=48),
    # A tenth of the clips: the same number of steps takes more epochs. None of them is Surprise.
    "compact-free": _compact("Neutral", "Angry", "Joy", "Sad", "Fear", epochs=300),
}


# Trains from random weights on two CPU cores: narrow where there are many frames.
_SMALL_ENCODER = {
    "model_type": "wav2vec2",
    "hidden_size": 256,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "intermediate_size": 1024,
    "feat_extract_norm": "layer",
    "do_stable_layer_norm": True,
    "conv_bias": True,
    "conv_dim": [32, 48, 64, 96, 128, 192, 256],
    "num_conv_pos_embeddings": 64,
    "num_conv_pos_embedding_groups": 16,
}

PRESETS["wav2vec2-small"] = Preset(
    ModelConfig(
        model_name="",
        emotion_labels=("Neutral", "Angry", "Joy", "Sad", "Surprise", "Fear"),
        pooling="attentive",
        input_normalization="none",
        encoder_config=_SMALL_ENCODER,
    ),
    TrainingConfig(
        learning_rate=1e-3,
        batch_size=16,
        gradient_accumulation_steps=1,
        warmup_steps=200,
        num_epochs=20,
        label_smoothing=0.1,
        balance=0.6,
        freeze_feature_encoder=False,
        early_stopping_patience=12,
    ),
    DataConfig(min_crop_s=1.0, max_crop_s=2.0),
)


PRESETS["base"] = Preset(
    ModelConfig(
        architecture="whisper",
        model_name="openai/whisper-base",
        emotion_labels=("Neutral", "Angry", "Joy", "Sad", "Surprise", "Fear"),
        pooling="attentive",
        projection=256,
        weighted_layers=True,
        mask_time_prob=0.125,
        streaming=True,
        chunk_frames=25,
        left_frames=100,
    ),
    TrainingConfig(
        learning_rate=1e-3,
        encoder_learning_rate=6e-5,
        layer_decay=0.8,
        batch_size=16,
        gradient_accumulation_steps=1,
        warmup_steps=100,
        num_epochs=8,
        label_smoothing=0.1,
        balance=0.6,
        ema_decay=0.995,
    ),
    DataConfig(channel_share=0.3, trim_silence=True, min_crop_s=1.0, max_crop_s=3.6, val_share=0.0),
)
"""Whisper's base encoder, fine-tuned whole with chunk-wise masks, for windows and for streams."""


PRESETS["wav2vec2-stream"] = Preset(
    ModelConfig(
        pooling="attentive",
        projection=256,
        weighted_layers=True,
        mask_time_prob=0.08,
        streaming=True,
        chunk_frames=25,
        left_frames=100,
    ),
    TrainingConfig(
        learning_rate=1e-3,
        encoder_learning_rate=3e-5,
        layer_decay=0.9,
        batch_size=8,
        gradient_accumulation_steps=2,
        warmup_steps=500,
        num_epochs=8,
        label_smoothing=0.1,
        balance=0.6,
        every_hop=True,
        gradient_checkpointing=True,
    ),
    DataConfig(
        channel_share=0.3, trim_silence=True, min_crop_s=1.0, max_crop_s=6.0, change_share=0.3
    ),
)
"""The 317M network for streams: see docs/training.md. It has not been trained by us."""


LEARN_ON: dict[str, Preset] = {
    "compact": Preset(
        ModelConfig(architecture="compact", model_name=""),
        TrainingConfig(
            learning_rate=3e-3,
            batch_size=32,
            gradient_accumulation_steps=1,
            warmup_steps=10,
            num_epochs=10,
            weight_decay=0.05,
            label_smoothing=0.1,
            ema_decay=0.98,
            balance=0.6,
        ),
        DataConfig(channel_share=0.3, trim_silence=True),
    ),
    "whisper": Preset(
        ModelConfig(architecture="whisper"),
        TrainingConfig(
            learning_rate=3e-4,
            encoder_learning_rate=2e-5,
            layer_decay=0.8,
            batch_size=16,
            gradient_accumulation_steps=1,
            warmup_steps=10,
            num_epochs=4,
            label_smoothing=0.1,
            ema_decay=0.98,
            balance=0.6,
        ),
        DataConfig(channel_share=0.3, trim_silence=True, min_crop_s=1.0, max_crop_s=3.6),
    ),
    "wav2vec2": Preset(
        ModelConfig(),
        TrainingConfig(
            learning_rate=3e-4,
            encoder_learning_rate=1e-5,
            layer_decay=0.9,
            warmup_steps=10,
            num_epochs=4,
            label_smoothing=0.1,
            balance=0.6,
        ),
        DataConfig(channel_share=0.3, trim_silence=True),
    ),
}
"""For an hour of clips that a network of ours learns on from, by its architecture."""


def learning_on(architecture: str) -> Preset:
    """Return a copy of the settings with which a trained network of ours learns on."""
    return _copy(LEARN_ON[architecture])


def copy_preset(name: str) -> Preset:
    """Return a copy of a preset's settings, which may be changed."""
    return _copy(PRESETS[name])


def _copy(preset: Preset) -> Preset:
    return Preset(replace(preset.model), replace(preset.training), replace(preset.data))
