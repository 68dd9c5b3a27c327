"""Whisper checkpoints of a few thousand random weights, saved as a hub would hold them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import (
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperForAudioClassification,
    WhisperForConditionalGeneration,
)

SHAPE: dict[str, Any] = {
    "d_model": 32,
    "encoder_layers": 3,
    "encoder_attention_heads": 2,
    "encoder_ffn_dim": 64,
    "decoder_layers": 1,
    "decoder_attention_heads": 2,
    "decoder_ffn_dim": 64,
    "vocab_size": 12,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "decoder_start_token_id": 1,
    "init_std": 0.2,
}
ENCODER: dict[str, Any] = {
    "model_type": "whisper",
    **{key: value for key, value in SHAPE.items() if key == "d_model" or key.startswith("encoder")},
    "num_mel_bins": 80,
    "init_std": 0.2,
}
"""`encoder_config` of the same shape."""


def write_whisper(folder: Path, *, encoder_only: bool = False, **changes: Any) -> Path:
    """Write a speech recogniser and its feature extractor, or its encoder alone."""
    torch.manual_seed(7)
    config = WhisperConfig(**(SHAPE | changes))
    kind = WhisperForAudioClassification if encoder_only else WhisperForConditionalGeneration
    kind(config).save_pretrained(folder)
    WhisperFeatureExtractor(feature_size=config.num_mel_bins).save_pretrained(folder)
    return folder
