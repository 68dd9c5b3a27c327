"""The network that is trained and exported: an encoder, and a head that tells emotions apart."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypedDict

from torch import Tensor, nn

from ser_rt.architectures.compact import Compact
from ser_rt.config import ModelConfig
from ser_rt.errors import ConfigError


class EmotionOutput(TypedDict):
    """What a network says of a batch."""

    logits: Tensor
    """``[batch, labels]``, before temperature and softmax."""
    embedding: Tensor
    """``[batch, embedding_size]``."""


class Encoder(Protocol):
    """Maps waveforms ``[batch, samples]`` to embeddings ``[batch, embedding_size]``."""

    embedding_size: int
    input_normalization: str
    """"window" where the input's level and colour are taken out window by window, else "none"."""

    def __call__(self, waveforms: Tensor, /) -> Tensor:
        """Compute the embedding."""
        ...


ARCHITECTURES: dict[str, Callable[[ModelConfig], Encoder]] = {
    "compact": lambda _: Compact(),
}
"""Encoders (each also an `nn.Module`) by name."""


class EmotionModel(nn.Module):
    """An encoder with a classification head. Waveforms come without padding, so without masks."""

    config = None  # transformers' Trainer asks every network for one

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        if config.architecture not in ARCHITECTURES:
            msg = f"unknown architecture {config.architecture!r}; known: {', '.join(ARCHITECTURES)}"
            raise ConfigError(msg)
        self.settings = config
        self.encoder = ARCHITECTURES[config.architecture](config)
        self.dropout = nn.Dropout(config.head_dropout)
        self.head = nn.Linear(self.encoder.embedding_size, config.num_labels)

    def forward(self, input_values: Tensor) -> EmotionOutput:
        """Classify float32 waveforms ``[batch, samples]`` at 16 kHz."""
        embedding = self.encoder(input_values)
        return {"logits": self.head(self.dropout(embedding)), "embedding": embedding}
