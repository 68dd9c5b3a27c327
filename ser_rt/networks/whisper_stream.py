"""`WhisperStream`, a streaming Whisper that is given each hop once and keeps caches in between.

It has the weights of the network that it is made of, and its answers: those of the whole stream
under the mask of `ser_rt.networks.streaming`, whose chunks are the hops, pooled over the last 3 s.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ser_rt.errors import ConfigError
from ser_rt.networks.log_mel import FRAME, HOP, SAMPLE_RATE
from ser_rt.networks.model import EmotionModel
from ser_rt.networks.streaming import MASKED
from ser_rt.networks.whisper import STRIDE, Whisper
from ser_rt.streaming import Cache

POOLED_S = 3.0
"""Latest audio that an answer is pooled over: the window of training."""
POOLED_FRAMES = round(POOLED_S * SAMPLE_RATE / STRIDE)
DELAY_S = 200 / SAMPLE_RATE
"""What Whisper's two convolutions and centred spectrum read ahead: see `networks.whisper`."""


class LayerStream(nn.Module):
    """One layer of the encoder, whose frames attend to each other and to cached ones."""

    def __init__(self, layer: Any, left: int) -> None:
        super().__init__()
        self.layer: Any = layer
        self.left = left

    def forward(
        self, frames: Tensor, keys: Tensor, values: Tensor, mask: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return the frames after the layer, and keys and values for the next hop.

        Args:
            frames: ``[batch, frames, d_model]``.
            keys: of the frames before them, ``[batch, heads, left, size]``.
            values: theirs.
            mask: added to the scores, ``[batch, 1, 1, left + frames]``.
        """
        attention = self.layer.self_attn
        hidden = self.layer.self_attn_layer_norm(frames)
        queries = self._heads(attention.q_proj(hidden))
        if attention.scaling != 1.0:
            queries = queries * attention.scaling
        keys = torch.cat([keys, self._heads(attention.k_proj(hidden))], dim=2)
        values = torch.cat([values, self._heads(attention.v_proj(hidden))], dim=2)
        weights = (queries @ keys.transpose(2, 3) + mask).softmax(dim=3)
        attended = (weights @ values).transpose(1, 2).flatten(2)
        frames = frames + attention.out_proj(attended)
        hidden = self.layer.activation_fn(self.layer.fc1(self.layer.final_layer_norm(frames)))
        frames = frames + self.layer.fc2(hidden)
        return frames, keys[:, :, -self.left :], values[:, :, -self.left :]

    def _heads(self, frames: Tensor) -> Tensor:
        heads: int = self.layer.self_attn.num_heads
        split: Tensor = frames.unflatten(2, (heads, -1))
        return split.transpose(1, 2)


class WhisperStream(nn.Module):
    """The audio of a hop and caches to logits, embedding and the caches of the next hop."""

    def __init__(self, model: EmotionModel) -> None:
        super().__init__()
        encoder = model.encoder
        if not isinstance(encoder, Whisper) or not encoder.streaming:
            name = model.settings.architecture
            msg = f"a stream needs a Whisper that was trained with --streaming, not this {name}"
            raise ConfigError(msg)
        self.left, most = encoder.context.left, encoder.network.config.max_source_positions
        if not 1 <= self.left <= most:
            msg = f"left_frames is {self.left}: a stream keeps 1 to {most} frames of its past"
            raise ConfigError(msg)
        self.encoder, self.head = encoder, model.head
        self.layers = nn.ModuleList(
            LayerStream(layer, self.left) for layer in encoder.network.layers
        )

    def caches(self) -> tuple[Cache, ...]:
        """Return the caches of one stream, in the order of `forward`."""
        network = self.encoder.network
        config = network.config
        width, heads = config.d_model, config.encoder_attention_heads
        ring = (heads, self.left, width // heads)
        kinds = ("keys", "values")
        scored = self.encoder.pooling.score(torch.zeros(1, width, 1)).shape[1]
        return (
            Cache("audio_tail", (FRAME - HOP,), "float32"),
            Cache("mel_frames", (config.num_mel_bins, 2), "float32"),
            Cache("convolved_frame", (width, 1), "float32"),
            *(
                Cache(f"{kind}_{number}", ring, "float32")
                for number in range(len(self.layers))
                for kind in kinds
            ),
            Cache("pooled_frames", (width, POOLED_FRAMES), "float32"),
            Cache("pooled_scores", (scored, POOLED_FRAMES), "float32"),
            Cache("frames_done", (), "int64"),
        )

    def forward(
        self, audio: Tensor, caches: Sequence[Tensor]
    ) -> tuple[Tensor, Tensor, tuple[Tensor, ...]]:
        """Classify a hop ``[batch, samples]``, a multiple of `STRIDE` samples, of every stream.

        Returns:
            Logits, embedding, and the caches of the next hop.
        """
        tail, mel, convolved, *keys_and_values, pooled, scores, done = caches
        network, encoder = self.encoder.network, self.encoder
        signal = torch.cat([tail, audio], dim=1)
        mel = torch.cat([mel, encoder.features.transform(signal.unsqueeze(1))], dim=2)
        new = nn.functional.gelu(network.conv1(mel))
        convolved = torch.cat([convolved, new], dim=2)
        frames = nn.functional.gelu(network.conv2(convolved)).transpose(1, 2)
        states = [frames]
        count = frames.shape[1]
        rows = (done.unsqueeze(1) + torch.arange(count)) % len(network.embed_positions.weight)
        frames = frames + network.embed_positions.weight[rows].to(frames.dtype)
        mask = self._mask(done, count)
        kept = []
        for number, layer in enumerate(self.layers):
            keys, values = keys_and_values[2 * number : 2 * number + 2]
            frames, keys, values = layer(frames, keys, values, mask)
            states.append(frames)
            kept += [keys, values]
        states[-1] = network.layer_norm(frames)
        mixed = encoder.mix(states).transpose(1, 2)
        pooled = torch.cat([pooled, mixed], dim=2)[..., -POOLED_FRAMES:]
        scores = torch.cat([scores, encoder.pooling.score(mixed)], dim=2)[..., -POOLED_FRAMES:]
        done = done + count
        empty = _empty(done, POOLED_FRAMES).unsqueeze(1)
        weights = (scores + empty).softmax(dim=2)
        embedding = encoder.projection(encoder.pooling.pool(pooled, weights))
        logits = self.head(embedding)
        following = (
            *(signal[:, HOP - FRAME :], mel[..., -2:], convolved[..., -1:]),
            *(*kept, pooled, scores, done),
        )
        return logits, embedding, following

    def _mask(self, done: Tensor, count: int) -> Tensor:
        """Hide the empty part of keys and values; ``[batch, 1, 1, left + count]``."""
        hidden = nn.functional.pad(_empty(done, self.left), (0, count))
        return hidden[:, None, None]


def _empty(done: Tensor, size: int) -> Tensor:
    """Return what is added to the scores of a ring of `size` frames, of which `done` are there."""
    hidden = torch.arange(size) < size - done.unsqueeze(1)
    return hidden.float() * MASKED


def fresh(caches: Sequence[Cache], batch: int) -> tuple[Tensor, ...]:
    """Return the caches of fresh streams."""
    return tuple(torch.from_numpy(cache.zeros(batch)) for cache in caches)
