"""A small audio-classification model with random weights, saved as a hub would hold it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from transformers import (
    Wav2Vec2Config,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2ForSequenceClassification,
)

from tests.support.small_speech import SHAPE


def write_hosted(folder: Path, labels: Sequence[str], rate: int = 16_000) -> Path:
    """Write a model with these labels and its feature extractor."""
    torch.manual_seed(3)
    names = dict(enumerate(labels))
    config = Wav2Vec2Config(
        **SHAPE, id2label=names, label2id={name: i for i, name in names.items()}
    )
    Wav2Vec2ForSequenceClassification(config).save_pretrained(folder)
    Wav2Vec2FeatureExtractor(sampling_rate=rate).save_pretrained(folder)
    return folder
