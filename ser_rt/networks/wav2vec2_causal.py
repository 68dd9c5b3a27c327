"""`StreamingWav2Vec2`: a Wav2Vec2, HuBERT or WavLM that computes no frame from its future.

Frame ``i`` is complete with sample ``320 * (i + 1)``: audio is delayed by what the convolutions
read beyond a frame (5 ms), and what they read before the first one is silence. The convolution of
positions keeps its taps of the past as they were trained; of those ahead it keeps `future_frames`,
and the first frame then is that many frames later. There is no normalisation over a window: the
level is judged by the samples so far, and a group norm over time is refused.
"""

from __future__ import annotations

from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PretrainedConfig, PreTrainedModel

from ser_rt.config import ModelConfig
from ser_rt.errors import AudioInputError, ConfigError
from ser_rt.networks.attention import MaskedAttention, RelativePositions
from ser_rt.networks.running_level import RunningLevel
from ser_rt.networks.streaming import STRIDE, AttentionContext, attention_mask, draw_context
from ser_rt.networks.wav2vec2 import Wav2Vec2, has_adapter


class StreamingWav2Vec2(Wav2Vec2):
    """Waveforms ``[batch, samples]`` to an embedding ``[batch, embedding_size]``."""

    streaming = True

    def __init__(self, settings: ModelConfig) -> None:
        super().__init__(settings)
        config = self.network.config
        _refuse(config, settings)
        self.context = AttentionContext(settings.chunk_frames, settings.left_frames)
        self.future_frames = settings.future_frames
        self.past_frames = int(config.num_conv_pos_embeddings) // 2
        self.overlap = _field(config) - STRIDE
        self.levels = settings.input_normalization == "running"
        self.input_normalization = "running" if self.levels else "none"
        self.normalize = RunningLevel() if self.levels else nn.Identity()
        self.relative: RelativePositions | None = None
        self.adopt(self.network)

    def adopt(self, network: PreTrainedModel) -> None:
        """Take a network, whose layers then attend under a mask."""
        super().adopt(network)
        inner: Any = network.encoder
        inner.pos_conv_embed.conv.padding = (0,)
        if network.config.model_type == "wavlm":
            for layer in inner.layers:
                layer.attention.__class__ = MaskedAttention
            self.relative = RelativePositions(inner.layers[0].attention)

    def frames(self, waveforms: Tensor, context: AttentionContext | None = None) -> Tensor:
        """Compute what is pooled, ``[batch, hidden_size, frames]``; `context` is the own one."""
        if context is None:
            context = draw_context() if self.training else self.context
        return self.mix(self.states(waveforms, context)).transpose(1, 2)

    def states(self, waveforms: Tensor, context: AttentionContext) -> list[Tensor]:
        """Return the frames below the layers and after each, ``[batch, frames, hidden_size]``."""
        inner: Any = self.network.encoder
        signal = nn.functional.pad(self.normalize(waveforms), (self.overlap, 0))
        projected = self.project(signal)
        if self.training and self._mask_share:
            blank = self._blank(*projected.shape[:2]).to(projected.device)
            masked: Any = self.network.masked_spec_embed
            projected = torch.where(blank.unsqueeze(2), masked.to(projected.dtype), projected)
        self._check_length(projected.shape[1])
        placed = self.place(nn.functional.pad(projected.transpose(1, 2), (self.past_frames, 0)))
        frames = inner.dropout(placed)
        ahead = self.future_frames
        number = torch.arange(projected.shape[1], device=frames.device)
        attended = attention_mask(number, context)
        if attended is not None:
            attended = attended.to(frames.device)[..., ahead:, ahead:]
        more = {} if self.relative is None else {"position_bias": self.bias(0, frames.shape[1])}
        states = [frames]
        for layer in inner.layers:
            given = layer(frames, attention_mask=attended, **more)
            frames = given if isinstance(given, Tensor) else given[0]
            states.append(frames)
        states[-1] = self.end(frames)
        return states

    def project(self, signal: Tensor) -> Tensor:
        """Compute frames ``[batch, frames, size]`` of audio after `overlap` samples of it."""
        network: Any = self.network
        features = network.feature_extractor(signal).transpose(1, 2)
        projected = network.feature_projection(features)
        found: Tensor = projected if isinstance(projected, Tensor) else projected[0]
        return found

    def place(self, projected: Tensor) -> Tensor:
        """Add positions to frames that have `past_frames` before and `future_frames` behind them.

        Args:
            projected: ``[batch, size, past_frames + frames + future_frames]``.

        Returns:
            ``[batch, frames, size]``.
        """
        inner: Any = self.network.encoder
        embedding, past = inner.pos_conv_embed, self.past_frames
        convolution, taps = embedding.conv, past + 1 + self.future_frames
        if convolution.weight.shape[2] == taps:  # as a module it is exported in half precision
            positions = convolution(projected)
        else:
            weight = convolution.weight[..., :taps]
            positions = nn.functional.conv1d(
                projected, weight, convolution.bias, groups=convolution.groups
            )
        positions = embedding.activation(positions)
        placed: Tensor = (projected[..., past : past + positions.shape[2]] + positions).transpose(
            1, 2
        )
        if self.network.config.do_stable_layer_norm:
            return placed
        normalized: Tensor = inner.layer_norm(placed)
        return normalized

    def end(self, frames: Tensor) -> Tensor:
        """Return the last state, from the frames of the last layer."""
        inner: Any = self.network.encoder
        if not self.network.config.do_stable_layer_norm:
            return frames
        normalized: Tensor = inner.layer_norm(frames)
        return normalized

    def bias(self, past: int, count: int) -> Tensor | None:
        """Return WavLM's bias of `count` frames after others; the other networks have none."""
        if self.relative is None:
            return None
        inner: Any = self.network.encoder
        biased: Tensor = self.relative(inner.layers[0].attention.rel_attn_embed, past, count)
        return biased

    def trim_positions(self) -> None:
        """Leave out the taps of the positions that are not used, once it is trained."""
        inner: Any = self.network.encoder
        convolution = inner.pos_conv_embed.conv
        kept = convolution.weight[..., : self.past_frames + 1 + self.future_frames]
        convolution.weight = nn.Parameter(kept.detach().clone(), requires_grad=False)

    def _check_length(self, count: int) -> None:
        if not torch.compiler.is_exporting() and count <= self.future_frames:
            least = (self.future_frames + 1) * STRIDE
            msg = f"windows of {count * STRIDE} samples are too short: give at least {least}"
            raise AudioInputError(msg)


def _field(config: PretrainedConfig) -> int:
    """Return how many samples a frame is computed from."""
    field = stride = 1
    for kernel, step in zip(config.conv_kernel, config.conv_stride, strict=True):
        field, stride = field + (kernel - 1) * stride, stride * step
    return field


def _refuse(config: PretrainedConfig, settings: ModelConfig) -> None:
    """Raise `ConfigError` for what cannot be computed hop by hop."""
    ahead = config.num_conv_pos_embeddings - config.num_conv_pos_embeddings // 2 - 1
    reasons = {
        "feat_extract_norm is 'group', a norm over all of a window, which a stream never has: "
        "start from a checkpoint with layer norm, as the large ones have": (
            config.feat_extract_norm == "group"
        ),
        "input_normalization is 'window', and a stream has none: choose running or none": (
            settings.input_normalization == "window"
        ),
        "add_adapter puts convolutions behind the layers: switch weighted_layers on, which does "
        "without them": has_adapter(config),
        "conv_pos_batch_norm is not supported: start from a checkpoint without it": bool(
            getattr(config, "conv_pos_batch_norm", False)
        ),
        f"conv_stride puts frames {prod(config.conv_stride)} samples apart, each of "
        f"{_field(config)}: {STRIDE} apart, each of more, is what streams have": (
            not prod(config.conv_stride) == STRIDE < _field(config)
        ),
        f"future_frames is {settings.future_frames}, but its positions read {ahead} ahead": (
            settings.future_frames > ahead
        ),
    }
    for reason, applies in reasons.items():
        if applies:
            msg = f"streaming: {reason}"
            raise ConfigError(msg)
