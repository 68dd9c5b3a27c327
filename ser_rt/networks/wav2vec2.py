"""`Wav2Vec2`: any Wav2Vec2, HuBERT or WavLM network of transformers as an encoder.

The encoder's own config is part of our settings, so that a trained network is built again without
the checkpoint that it started from, and without a hub. Windows come whole: there is no padding,
and so no attention mask.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from transformers import (
    HubertConfig,
    HubertModel,
    PretrainedConfig,
    PreTrainedModel,
    Wav2Vec2Config,
    Wav2Vec2Model,
    WavLMConfig,
    WavLMModel,
)

from ser_rt.config import ModelConfig
from ser_rt.errors import ConfigError
from ser_rt.networks.pooling import POOLINGS, make_projection


class Family(NamedTuple):
    """The classes of transformers for one kind of network."""

    config: type[PretrainedConfig]
    network: type[PreTrainedModel]


FAMILIES: dict[str, Family] = {
    "wav2vec2": Family(Wav2Vec2Config, Wav2Vec2Model),
    "hubert": Family(HubertConfig, HubertModel),
    "wavlm": Family(WavLMConfig, WavLMModel),
}
"""Networks by the `model_type` in their config.json."""

_QUIETEST_VARIANCE = 1e-7


def normalize_window(waveforms: Tensor) -> Tensor:
    """Take mean and level out of each window, as `Wav2Vec2FeatureExtractor` does.

    A clamp and not a summand keeps digital silence from becoming noise: the ONNX exporter's
    optimiser drops summands this small.
    """
    centred = waveforms - waveforms.mean(dim=1, keepdim=True)
    variance = centred.square().mean(dim=1, keepdim=True)
    return centred / variance.clamp(min=_QUIETEST_VARIANCE).sqrt()


class Wav2Vec2(nn.Module):
    """Waveforms ``[batch, samples]`` to an embedding ``[batch, embedding_size]``.

    Built with random weights from `settings.encoder_config`; `pretrained` loads trained ones.
    """

    network: PreTrainedModel
    streaming = False

    def __init__(self, settings: ModelConfig) -> None:
        super().__init__()
        family, config = _configure(settings)
        if not self.streaming and (settings.chunk_frames or settings.future_frames):
            msg = "chunk_frames and future_frames are for networks that stream: add streaming"
            raise ConfigError(msg)
        if not self.streaming and settings.input_normalization == "running":
            msg = "input_normalization running is for networks that stream: add streaming"
            raise ConfigError(msg)
        self.input_normalization = "window" if settings.input_normalization == "window" else "none"
        try:
            self.network = family.network._from_config(config, attn_implementation="eager")  # noqa: SLF001 (public in all but name)
        except (ValueError, TypeError, KeyError, RuntimeError, ArithmeticError) as error:
            raise ConfigError(_no_network(error)) from error
        self.num_layers = int(config.num_hidden_layers)
        self.layer_weights = (
            nn.Parameter(torch.zeros(self.num_layers + 1)) if settings.weighted_layers else None
        )
        frame_size = config.output_hidden_size if has_adapter(config) else config.hidden_size
        self.pooling = POOLINGS[settings.pooling](frame_size)
        pooled = int(frame_size) * self.pooling.growth
        self.projection, self.embedding_size = make_projection(pooled, settings.projection)
        self._mask_share = settings.mask_time_prob
        self.min_samples = 1
        for kernel, stride in zip(config.conv_kernel[::-1], config.conv_stride[::-1], strict=True):
            self.min_samples = (self.min_samples - 1) * stride + kernel

    def forward(self, waveforms: Tensor) -> Tensor:
        """Compute the embedding of windows of at least `min_samples`."""
        return self.pool(self.frames(waveforms))

    def pool(self, frames: Tensor) -> Tensor:
        """Compute the embedding of frames."""
        embedding: Tensor = self.projection(self.pooling(frames))
        return embedding

    def frames(self, waveforms: Tensor) -> Tensor:
        """Compute what is pooled, ``[batch, hidden_size, frames]``."""
        if self.input_normalization == "window":
            waveforms = normalize_window(waveforms)
        blank = None
        if self.training and self._mask_share:
            count = self._count_frames(waveforms.shape[1])
            blank = self._blank(len(waveforms), count).to(waveforms.device)
        outputs = self.network(
            waveforms,
            mask_time_indices=blank,
            output_hidden_states=self.layer_weights is not None,
        )
        states = outputs.hidden_states or [outputs.last_hidden_state]
        return self.mix(states).transpose(1, 2)

    def mix(self, states: Sequence[Tensor]) -> Tensor:
        """Return the last layer's frames, or the weighted sum of all layers'."""
        if self.layer_weights is None:
            return states[-1]
        shares = self.layer_weights.softmax(dim=0)
        return torch.stack([shares[i] * layer for i, layer in enumerate(states)]).sum(dim=0)

    def adopt(self, network: PreTrainedModel) -> None:
        """Take a network of the same shape, with trained weights."""
        self.network = network

    def _count_frames(self, samples: int) -> int:
        config = self.network.config
        for kernel, stride in zip(config.conv_kernel, config.conv_stride, strict=True):
            samples = (samples - kernel) // stride + 1
        return samples

    def _blank(self, batch: int, frames: int) -> Tensor:
        """Choose frames ``[batch, frames]`` to blank, in runs of `mask_time_length`.

        Park et al.: SpecAugment, INTERSPEECH 2019. transformers' own needs windows longer than a
        run, and draws from numpy's generator.
        """
        run = min(self.network.config.mask_time_length, max(1, frames // 2))
        starts = torch.rand(batch, 1, frames) < self._mask_share / run
        spread = nn.functional.max_pool1d(starts.float(), run, stride=1, padding=run // 2)
        return spread[:, 0, :frames] > 0

    def freeze_features(self) -> None:
        """Keep the convolutions as they are."""
        convolutions: Any = self.network.feature_extractor
        convolutions._freeze_parameters()  # noqa: SLF001 (it also stops gradients of the input)

    def depth_of(self, parameter: str) -> int:
        """Return the depth of a parameter: 0 is the input, `num_layers` the top layer."""
        if found := re.search(r"encoder\.layers\.(\d+)\.", parameter):
            return int(found[1]) + 1
        below = ("network.feature_", "network.encoder.pos_conv", "network.masked_spec")
        return 0 if parameter.startswith(below) else self.num_layers + 1

    @property
    def adapted(self) -> tuple[str, ...]:
        """Linear maps that LoRA adapts."""
        dense = ("intermediate_dense", "output_dense")
        # WavLM's attention takes the weights out of its projections, past any adapter around them.
        if self.network.config.model_type == "wavlm":
            return dense
        return ("q_proj", "k_proj", "v_proj", "out_proj", *dense)

    def keep_layers(self, count: int) -> None:
        """Leave out the transformer layers after the first `count`."""
        inner: Any = self.network
        inner.encoder.layers = inner.encoder.layers[:count]
        inner.config.num_hidden_layers = self.num_layers = count
        if self.layer_weights is not None:
            self.layer_weights = nn.Parameter(self.layer_weights[: count + 1].detach().clone())


def has_adapter(config: PretrainedConfig) -> bool:
    """Return whether convolutions follow the layers and change the number and size of frames."""
    return bool(getattr(config, "add_adapter", False))


def _no_network(error: Exception) -> str:
    return f"encoder_config makes no network: {' '.join(str(error).split()) or repr(error)}"


def _configure(settings: ModelConfig) -> tuple[Family, PretrainedConfig]:
    values: dict[str, Any] = dict(settings.encoder_config)
    kind = values.pop("model_type", None)
    if kind not in FAMILIES:
        msg = f"encoder_config has model_type {kind!r}: it must be one of {', '.join(FAMILIES)}"
        raise ConfigError(msg)
    try:
        config = FAMILIES[kind].config(**values)
    except (ValueError, TypeError) as error:
        raise ConfigError(_no_network(error)) from error
    if settings.num_layers > config.num_hidden_layers:
        msg = f"num_layers is {settings.num_layers}, but there are {config.num_hidden_layers}"
        raise ConfigError(msg)
    config.num_hidden_layers = settings.num_layers or config.num_hidden_layers
    config.mask_time_prob, config.mask_feature_prob = settings.mask_time_prob, 0.0
    config.apply_spec_augment = True
    if settings.weighted_layers and has_adapter(config):
        config.add_adapter = False  # the sum is of the layers, which are below it
    config.layerdrop = 0.0  # a layer left out would leave one GPU's gradients without the others'
    return FAMILIES[kind], config
