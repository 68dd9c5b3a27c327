"""Whisper's encoder as an encoder of emotion: log-mel front end, any length, whole or streaming.

The encoder's own config is part of our settings, so that a trained network is built again without
the checkpoint that it started from, and without a hub. Windows are not padded to 30 s: the table of
positions is cut to their length instead.

With `ModelConfig.streaming` nothing that a frame is computed from lies in its future beyond its own
chunk. The two convolutions of the original read 12.5 ms ahead; here the audio is delayed by as
much. Frame ``i`` is complete with sample ``320 * (i + 1)``, so a hop of 0.5 s gives 25 frames.
"""

from __future__ import annotations

import inspect
import re
from typing import Any

import torch
from torch import Tensor, nn
from transformers import WhisperConfig
from transformers.models.whisper.modeling_whisper import WhisperEncoder, WhisperEncoderLayer

from ser_rt.config import ModelConfig
from ser_rt.errors import AudioInputError, ConfigError
from ser_rt.networks.compact import mask
from ser_rt.networks.log_mel import BAND_COUNTS, SAMPLE_RATE, WhisperLogMel
from ser_rt.networks.pooling import POOLINGS, make_projection
from ser_rt.networks.streaming import (
    STRIDE,
    AttentionContext,
    attention_mask,
    draw_context,
    draw_positions,
)

SHAPE = (
    *("d_model", "encoder_layers", "encoder_attention_heads", "encoder_ffn_dim", "num_mel_bins"),
    *("max_source_positions", "activation_function", "scale_embedding"),
    *("dropout", "attention_dropout", "activation_dropout"),
)
"""What of a checkpoint's config describes its encoder."""

# transformers 4 wants it, 5 has none.
_NO_HEAD_MASK: dict[str, Any] = (
    {"layer_head_mask": None}
    if "layer_head_mask" in inspect.signature(WhisperEncoderLayer.forward).parameters
    else {}
)


def run_layer(layer: nn.Module, frames: Tensor, attended: Tensor | None) -> Tensor:
    """Run one layer of any version of transformers, with a mask that is added to its scores."""
    given = layer(frames, attention_mask=attended, **_NO_HEAD_MASK)
    return given if isinstance(given, Tensor) else given[0]


class Layers(WhisperEncoder):
    """Whisper's convolutions and layers: log-mel of any length to the frames of every layer."""

    def __init__(self, config: WhisperConfig) -> None:
        super().__init__(config)
        self.streaming = False

    def look_back(self) -> None:
        """Let the convolutions read what was, and nothing ahead."""
        self.streaming = True
        self.conv1.padding = self.conv2.padding = (0,)

    def forward(self, features: Tensor, context: AttentionContext) -> list[Tensor]:  # type: ignore[override]
        """Return the convolutions' output and each layer's, ``[batch, frames, d_model]`` each."""
        frames = self._convolve(features)
        count = torch.arange(frames.shape[1], device=frames.device)
        table = self.embed_positions.weight
        if not self.streaming:
            positions = count
        elif self.training:
            positions = draw_positions(len(frames), count, len(table))
        else:
            positions = count % len(table)
        hidden = frames + table[positions].to(frames.dtype)  # an exported table may be narrower
        attended = attention_mask(count, context)
        states = [frames]
        for layer in self.layers:
            hidden = run_layer(layer, hidden, attended)
            states.append(hidden)
        states[-1] = self.layer_norm(hidden)
        return states

    def _convolve(self, features: Tensor) -> Tensor:
        if self.streaming:
            features = nn.functional.pad(features, (2, 0))
        hidden = nn.functional.gelu(self.conv1(features))
        if self.streaming:
            hidden = nn.functional.pad(hidden, (1, 0))
        return nn.functional.gelu(self.conv2(hidden)).transpose(1, 2)


class Whisper(nn.Module):
    """Waveforms ``[batch, samples]`` to an embedding ``[batch, embedding_size]``.

    Built with random weights from `settings.encoder_config`; `ser_rt.networks.pretrained` loads
    trained ones.
    """

    input_normalization = "none"
    future_frames = 0
    min_samples = STRIDE
    adapted = ("q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2")
    """Linear maps that LoRA adapts."""

    def __init__(self, settings: ModelConfig) -> None:
        super().__init__()
        config = _configure(settings)
        try:
            self.network = Layers._from_config(config, attn_implementation="eager")  # noqa: SLF001 (public in all but name)
        except (ValueError, TypeError, KeyError, RuntimeError, ArithmeticError) as error:
            raise ConfigError(_no_network(error)) from error
        self.features = WhisperLogMel(config.num_mel_bins, streaming=settings.streaming)
        self.context = AttentionContext(settings.chunk_frames, settings.left_frames)
        self.streaming = settings.streaming
        if settings.streaming:
            self.network.look_back()
        self.num_layers = int(config.encoder_layers)
        self.layer_weights = (
            nn.Parameter(torch.zeros(self.num_layers + 1)) if settings.weighted_layers else None
        )
        self.pooling = POOLINGS[settings.pooling](config.d_model)
        pooled = int(config.d_model) * self.pooling.growth
        self.projection, self.embedding_size = make_projection(pooled, settings.projection)
        self._mask_share = settings.mask_time_prob

    def forward(self, waveforms: Tensor) -> Tensor:
        """Compute the embedding of windows of 0.1 to 30 s; streaming networks take longer ones."""
        return self.pool(self.frames(waveforms))

    def pool(self, frames: Tensor) -> Tensor:
        """Compute the embedding of frames."""
        embedding: Tensor = self.projection(self.pooling(frames))
        return embedding

    def frames(self, waveforms: Tensor, context: AttentionContext | None = None) -> Tensor:
        """Compute what is pooled, ``[batch, d_model, frames]`` with a frame every 20 ms.

        Args:
            waveforms: of one length.
            context: what frames attend to; by default the own one, and in training a drawn one.
        """
        self._check_length(waveforms.shape[1])
        with torch.no_grad():
            features = self.features(waveforms)
            if self.training and self._mask_share:
                mean = features.mean(dim=(1, 2), keepdim=True)
                features = mask(features - mean, longest_gap=self._mask_share) + mean
        if context is None:
            context = draw_context() if self.training and self.streaming else self.context
        return self.mix(self.network(features, context)).transpose(1, 2)

    def mix(self, states: list[Tensor]) -> Tensor:
        """Return the last layer's frames, or the weighted sum of all layers' ``[..., d_model]``."""
        frames = states[-1]
        if self.layer_weights is not None:
            # What a layer adds grows with its depth: each is brought to the same size first.
            size = frames.shape[-1:]
            states[:-1] = [nn.functional.layer_norm(state, size) for state in states[:-1]]
            shares = self.layer_weights.softmax(dim=0)
            frames = torch.stack([shares[i] * state for i, state in enumerate(states)]).sum(dim=0)
        return frames

    def _check_length(self, samples: int) -> None:
        if self.streaming or torch.compiler.is_exporting():
            return
        longest = len(self.network.embed_positions.weight) * STRIDE
        if samples > longest:
            msg = (
                f"a window of {samples / SAMPLE_RATE:.1f} s is longer than the "
                f"{longest / SAMPLE_RATE:g} s that this network has positions for: cut it"
            )
            raise AudioInputError(msg)

    def freeze_features(self) -> None:
        """Keep the convolutions as they are."""
        for convolution in (self.network.conv1, self.network.conv2):
            convolution.requires_grad_(requires_grad=False)

    def depth_of(self, parameter: str) -> int:
        """Return how far up a parameter stands: 0 is the input, `num_layers` the top layer."""
        if found := re.search(r"network\.layers\.(\d+)\.", parameter):
            return int(found[1]) + 1
        if parameter.startswith("network.layer_norm"):
            return self.num_layers
        return 0 if parameter.startswith("network.") else self.num_layers + 1

    def keep_layers(self, count: int) -> None:
        """Leave out the layers after the first `count`."""
        self.network.layers = self.network.layers[:count]
        self.network.config.encoder_layers = self.num_layers = count
        if self.layer_weights is not None:
            self.layer_weights = nn.Parameter(self.layer_weights[: count + 1].detach().clone())


def check_config(config: WhisperConfig) -> None:
    """Refuse a spectrogram that is not Whisper's.

    Raises:
        ConfigError: it has another number of mel bands.
    """
    if config.num_mel_bins not in BAND_COUNTS:
        known = " or ".join(map(str, BAND_COUNTS))
        msg = f"num_mel_bins is {config.num_mel_bins!r}: Whisper has {known} mel bands"
        raise ConfigError(msg)


def _no_network(error: Exception) -> str:
    return f"encoder_config makes no network: {' '.join(str(error).split()) or repr(error)}"


def _configure(settings: ModelConfig) -> WhisperConfig:
    values: dict[str, Any] = dict(settings.encoder_config)
    kind = values.pop("model_type", None)
    if kind != "whisper":
        msg = f"encoder_config has model_type {kind!r}: it must be whisper"
        raise ConfigError(msg)
    try:
        config = WhisperConfig(**values, decoder_layers=0)
    except (ValueError, TypeError) as error:
        raise ConfigError(_no_network(error)) from error
    check_config(config)
    if settings.num_layers > config.encoder_layers:
        msg = f"num_layers is {settings.num_layers}, but there are {config.encoder_layers}"
        raise ConfigError(msg)
    config.encoder_layers = settings.num_layers or config.encoder_layers
    longest_s = config.max_source_positions * STRIDE / SAMPLE_RATE
    if settings.max_duration > longest_s and not settings.streaming:
        msg = (
            f"max_duration is {settings.max_duration:g} s, but there are positions for windows of "
            f"at most {longest_s:g} s"
        )
        raise ConfigError(msg)
    config.encoder_layerdrop = 0.0  # one GPU's gradients would lack the others'
    return config
