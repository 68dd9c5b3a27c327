"""`WhisperStream`, a Whisper that is given each hop once and keeps caches in between."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ser_rt.networks.attention import attend
from ser_rt.networks.hop_stream import HopStream
from ser_rt.networks.log_mel import FRAME, HOP, SAMPLE_RATE
from ser_rt.networks.model import EmotionModel
from ser_rt.streaming import Cache


class WhisperLayerStream(nn.Module):
    """One layer of the encoder, whose frames attend to each other and to cached ones."""

    def __init__(self, layer: Any) -> None:
        super().__init__()
        self.layer: Any = layer

    def forward(
        self,
        frames: Tensor,
        keys: Tensor,
        values: Tensor,
        mask: Tensor,
        _: Tensor | None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return the frames after the layer, and keys and values for the next hop.

        Args:
            frames: ``[batch, frames, d_model]``.
            keys: of the frames before them, ``[batch, heads, left, size]``.
            values: theirs.
            mask: added to the scores, ``[batch, 1, 1, left + frames]``.
        """
        layer = self.layer
        hidden = layer.self_attn_layer_norm(frames)
        attended, keys, values = attend(layer.self_attn, hidden, mask, (keys, values))
        frames = frames + attended
        hidden = layer.activation_fn(layer.fc1(layer.final_layer_norm(frames)))
        return frames + layer.fc2(hidden), keys, values


class WhisperStream(HopStream):
    """A Whisper with caches."""

    name = "whisper"
    delay_s = 200 / SAMPLE_RATE
    """What Whisper's two convolutions and centred spectrum read ahead: see `networks.whisper`."""

    def __init__(self, model: EmotionModel) -> None:
        encoder: Any = model.encoder
        self.config = encoder.network.config
        super().__init__(
            model,
            self.config.d_model,
            self.config.encoder_attention_heads,
            self.config.max_source_positions,
        )
        self.layers = nn.ModuleList(WhisperLayerStream(layer) for layer in encoder.network.layers)

    @property
    def positions(self) -> int:
        """Frames after which positions begin again."""
        return len(self.encoder.network.embed_positions.weight)

    def front_caches(self) -> tuple[Cache, ...]:
        """Return what the spectrum and the convolutions keep."""
        return (
            Cache("audio_tail", (FRAME - HOP,), "float32"),
            Cache("mel_frames", (self.config.num_mel_bins, 2), "float32"),
            Cache("convolved_frame", (self.width, 1), "float32"),
        )

    def begin(
        self, audio: Tensor, front: Sequence[Tensor], done: Tensor
    ) -> tuple[Tensor, Tensor, tuple[Tensor, ...]]:
        """Return the convolutions' output, that with positions, and the next caches."""
        tail, mel, convolved = front
        network = self.encoder.network
        signal = torch.cat([tail, audio], dim=1)
        mel = torch.cat([mel, self.encoder.features.transform(signal.unsqueeze(1))], dim=2)
        new = nn.functional.gelu(network.conv1(mel))
        convolved = torch.cat([convolved, new], dim=2)
        frames = nn.functional.gelu(network.conv2(convolved)).transpose(1, 2)
        rows = (done.unsqueeze(1) + torch.arange(frames.shape[1])) % self.positions
        placed = frames + network.embed_positions.weight[rows].to(frames.dtype)
        return frames, placed, (signal[:, HOP - FRAME :], mel[..., -2:], convolved[..., -1:])

    def end(self, frames: Tensor) -> Tensor:
        """Normalise the frames of the last layer."""
        normalized: Tensor = self.encoder.network.layer_norm(frames)
        return normalized
