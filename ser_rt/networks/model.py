"""`EmotionModel`, which is trained and exported: an encoder with a classification head."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NotRequired, Protocol, TypedDict, cast

import torch
from torch import Tensor, nn

from ser_rt.config import ModelConfig
from ser_rt.errors import ConfigError
from ser_rt.networks.compact import Compact
from ser_rt.networks.streaming import POOLED_FRAMES, draw_context, draw_ends

if TYPE_CHECKING:
    from ser_rt.networks.wav2vec2_causal import StreamingWav2Vec2
    from ser_rt.networks.whisper import Whisper


class EmotionOutput(TypedDict):
    """Outputs of a network for a batch."""

    logits: Tensor
    """``[batch, labels]``, before temperature and softmax."""
    embedding: Tensor
    """``[batch, embedding_size]``."""
    dimensions: NotRequired[Tensor]
    """What it rates, such as arousal, ``[batch, dimensions]``; of a network that has any."""
    imitation: NotRequired[tuple[Tensor, Tensor]]
    """What a student makes of its frames and its embedding to be like its teacher's."""
    hop_logits: NotRequired[Tensor]
    """In training at every hop: ``[batch, hops, labels]``; `logits` are those of the last one."""
    hop_ends: NotRequired[Tensor]
    """Where they end, in frames of audio, ``[hops]``."""


class Encoder(Protocol):
    """Maps waveforms ``[batch, samples]`` to embeddings ``[batch, embedding_size]``."""

    embedding_size: int
    input_normalization: str
    """"window" if level and colour of the input are normalised per window, else "none"."""
    min_samples: int
    """Samples of the first frame: shorter waveforms have none."""

    def frames(self, waveforms: Tensor, /) -> Tensor:
        """Compute what is pooled, ``[batch, channels, frames]``."""
        ...

    def pool(self, frames: Tensor, /) -> Tensor:
        """Compute the embedding of frames."""
        ...

    def __call__(self, waveforms: Tensor, /) -> Tensor:
        """Compute the embedding: that of all frames."""
        ...


def _wav2vec2(settings: ModelConfig) -> Encoder:
    from ser_rt.networks.wav2vec2 import Wav2Vec2
    from ser_rt.networks.wav2vec2_causal import StreamingWav2Vec2

    return (StreamingWav2Vec2 if settings.streaming else Wav2Vec2)(settings)


def _whisper(settings: ModelConfig) -> Encoder:
    from ser_rt.networks.whisper import Whisper

    return Whisper(settings)


ARCHITECTURES: dict[str, Callable[[ModelConfig], Encoder]] = {
    "compact": lambda settings: Compact(settings.encoder_config),
    "wav2vec2": _wav2vec2,
    "whisper": _whisper,
}
"""Encoders (each also an `nn.Module`) by name."""


class EmotionModel(nn.Module):
    """An encoder with a classification head. Waveforms come without padding, so without masks.

    Its weights are random: `create_model` starts from a trained encoder where there is one, and
    `ser_rt.networks.checkpoint.load_model` loads a network with a trained head.
    """

    config = None  # transformers' Trainer reads it

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        if config.architecture not in ARCHITECTURES:
            msg = f"unknown architecture {config.architecture!r}; known: {', '.join(ARCHITECTURES)}"
            raise ConfigError(msg)
        if config.architecture == "compact" and (config.streaming or config.chunk_frames):
            msg = "streaming is for the architectures whisper and wav2vec2, not for compact"
            raise ConfigError(msg)
        if config.architecture != "wav2vec2" and config.future_frames:
            msg = f"future_frames is for the architecture wav2vec2, not for {config.architecture}"
            raise ConfigError(msg)
        self.settings = config
        self.encoder = ARCHITECTURES[config.architecture](config)
        self.dropout = nn.Dropout(config.head_dropout)
        self.head = nn.Linear(self.encoder.embedding_size, config.num_labels)
        self.rater: nn.Module | None = None
        """Maps the embedding to dimensions, each from 0 to 1."""
        if config.dimensions:
            size = self.encoder.embedding_size
            self.rater = nn.Sequential(nn.Linear(size, len(config.dimensions)), nn.Sigmoid())
        self.every_hop = False
        """Whether training has an answer at the end of every hop; of a network that streams."""
        self.imitation: nn.Module | None = None
        """Maps frames and embedding to a teacher's, while a student is trained."""
        self.unsettled: Sequence[str] = ()
        """Norms without statistics: of a network whose weights were read from a graph."""

    def forward(self, input_values: Tensor) -> EmotionOutput:
        """Classify float32 waveforms ``[batch, samples]`` at 16 kHz."""
        if self.every_hop and self.training:
            return self._at_every_hop(input_values)
        frames = self.encoder.frames(input_values)
        embedding = self.encoder.pool(frames)
        logits = self.head(self.dropout(embedding))
        outputs: EmotionOutput = {"logits": logits, "embedding": embedding}
        if self.rater is not None:
            outputs["dimensions"] = self.rater(self.dropout(embedding))
        if self.imitation is not None and self.training:
            outputs["imitation"] = self.imitation(frames, embedding)
        return outputs

    def _at_every_hop(self, input_values: Tensor) -> EmotionOutput:
        encoder = cast("StreamingWav2Vec2 | Whisper", self.encoder)
        context = draw_context()
        frames = encoder.frames(input_values, context)
        ends = draw_ends(frames.shape[2], context.chunk, encoder.future_frames)
        embeddings = [encoder.pool(frames[..., max(0, end - POOLED_FRAMES) : end]) for end in ends]
        logits = self.head(self.dropout(torch.stack(embeddings, dim=1)))
        outputs: EmotionOutput = {
            "logits": logits[:, -1],
            "embedding": embeddings[-1],
            "hop_logits": logits,
            "hop_ends": torch.tensor(ends) + encoder.future_frames,
        }
        if self.rater is not None:
            outputs["dimensions"] = self.rater(self.dropout(embeddings[-1]))
        if self.imitation is not None:
            outputs["imitation"] = self.imitation(frames, embeddings[-1])
        return outputs
