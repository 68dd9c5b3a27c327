"""`Wav2Vec2Stream`: a Wav2Vec2, HuBERT or WavLM that is given each hop once, and keeps caches.

Of the convolutions 80 samples of audio are kept: they are computed anew from them, 1 % of what a
hop of 0.5 s costs them, and nothing is lost by seven caches that would be zeros in a fresh stream.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ser_rt.constants import SAMPLE_RATE
from ser_rt.networks.attention import attend
from ser_rt.networks.hop_stream import HopStream
from ser_rt.networks.model import EmotionModel
from ser_rt.networks.streaming import STRIDE
from ser_rt.streaming import Cache

_LONGEST_LEFT = 1_500  # 30 s


class Wav2Vec2LayerStream(nn.Module):
    """One layer, whose frames attend to each other and to cached ones."""

    def __init__(self, layer: Any, *, norm_first: bool) -> None:
        super().__init__()
        self.layer: Any = layer
        self.norm_first = norm_first

    def forward(
        self, frames: Tensor, keys: Tensor, values: Tensor, mask: Tensor, bias: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return the frames after the layer, and keys and values for the next hop.

        Args:
            frames: ``[batch, frames, hidden_size]``.
            keys: of the frames before them, ``[batch, heads, left, size]``.
            values: theirs.
            mask: added to the scores, ``[batch, 1, 1, left + frames]``.
            bias: of WavLM's positions, ``[1, heads, frames, left + frames]``.
        """
        layer = self.layer
        hidden = layer.layer_norm(frames) if self.norm_first else frames
        added = mask if bias is None else layer.attention.added(hidden, mask, bias)
        attended, keys, values = attend(layer.attention, hidden, added, (keys, values))
        frames = frames + attended
        if not self.norm_first:
            frames = layer.layer_norm(frames)
            return layer.final_layer_norm(frames + layer.feed_forward(frames)), keys, values
        frames = frames + layer.feed_forward(layer.final_layer_norm(frames))
        if (adapter := getattr(layer, "adapter_layer", None)) is not None:
            frames = frames + adapter(frames)
        return frames, keys, values


class Wav2Vec2Stream(HopStream):
    """A Wav2Vec2, HuBERT or WavLM with caches."""

    name = "wav2vec2"

    def __init__(self, model: EmotionModel) -> None:
        encoder: Any = model.encoder
        config = encoder.network.config
        super().__init__(model, config.hidden_size, config.num_attention_heads, _LONGEST_LEFT)
        self.layers = nn.ModuleList(
            Wav2Vec2LayerStream(layer, norm_first=config.do_stable_layer_norm)
            for layer in encoder.network.encoder.layers
        )

    @property
    def delay_s(self) -> float:
        """What the convolutions of the signal and of the positions read ahead."""
        ahead: int = self.encoder.overlap + self.encoder.future_frames * STRIDE
        return ahead / SAMPLE_RATE

    def front_caches(self) -> tuple[Cache, ...]:
        """Return what level, convolutions and positions keep."""
        encoder = self.encoder
        level = ("level_power", "level_weight") if encoder.levels else ()
        return (
            *(Cache(name, (1,), "float32") for name in level),
            Cache("audio_tail", (encoder.overlap,), "float32"),
            Cache(
                "projected_frames",
                (self.width, encoder.past_frames + encoder.future_frames),
                "float32",
            ),
        )

    def begin(
        self, audio: Tensor, front: Sequence[Tensor], _: Tensor
    ) -> tuple[Tensor, Tensor, tuple[Tensor, ...]]:
        """Return the frames with positions, twice, and the next caches."""
        *level, tail, projected = front
        encoder = self.encoder
        if level:
            audio, *level = encoder.normalize.hop(audio, *level)
        signal = torch.cat([tail, audio], dim=1)
        new = encoder.project(signal).transpose(1, 2)
        projected = torch.cat([projected, new], dim=2)
        frames = encoder.place(projected)
        kept = encoder.past_frames + encoder.future_frames
        return (
            frames,
            frames,
            (*level, signal[:, -encoder.overlap :], projected[..., -kept:]),
        )

    def end(self, frames: Tensor) -> Tensor:
        """Normalise the frames of the last layer, where they are not normalised yet."""
        ended: Tensor = self.encoder.end(frames)
        return ended

    def bias(self, count: int) -> Tensor | None:
        """Return WavLM's bias of `count` frames and those to their left."""
        biased: Tensor | None = self.encoder.bias(self.left, count)
        return biased
