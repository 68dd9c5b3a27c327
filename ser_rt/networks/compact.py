"""`Compact`, a small network for any CPU: log-mel, separable convolutions, attentive pooling.

Everything is inside the network, so that it is inside the exported graph: framing, the Fourier
transform, mel filters, and a normalisation that follows each window, which makes it deaf to gain
and to the colour of the microphone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ser_rt.constants import SAMPLE_RATE
from ser_rt.errors import ConfigError
from ser_rt.networks.pooling import AttentiveStatisticsPooling
from ser_rt.networks.precision import in_float32

FRAME, HOP, FFT = 400, 160, 512
BLOCK = math.gcd(FRAME, HOP)
DYNAMIC_RANGE = 14.0  # natural log of power, about 61 dB
LAYOUT: dict[str, Any] = {"channels": [160, 288], "blocks": [3, 4]}
"""Channels and blocks at 20 ms, at 40 ms, and so on; what `encoder_config` may change."""


def mel_filters(bands: int, low_hz: float = 50.0, high_hz: float = 7600.0) -> Tensor:
    """Triangular filters ``[bands, FFT // 2 + 1]`` evenly spaced on the mel scale of HTK.

    Mel = 2595 log10(1 + f / 700): O'Shaughnessy, Speech Communication, 1987.
    """

    def mel(hz: float) -> float:
        return 2595.0 * math.log10(1.0 + hz / 700.0)

    edges = 700.0 * (10.0 ** (np.linspace(mel(low_hz), mel(high_hz), bands + 2) / 2595.0) - 1.0)
    hz = np.linspace(0.0, SAMPLE_RATE / 2, FFT // 2 + 1)
    rising = (hz - edges[:-2, None]) / np.diff(edges)[:-1, None]
    falling = (edges[2:, None] - hz) / np.diff(edges)[1:, None]
    return torch.tensor(np.maximum(0.0, np.minimum(rising, falling)), dtype=torch.float32)


class LogMel(nn.Module):
    """Waveforms ``[batch, samples]`` to normalised log-mel ``[batch, bands, frames]``.

    The Fourier transform is two products with fixed weights. Its phase is counted from the middle
    of the frame, about which the window is even: the real part then needs only the sum of each
    sample and its mirror image, the imaginary part their difference, which halves the work.
    """

    cosines: Tensor
    sines: Tensor
    filters: Tensor

    def __init__(self, bands: int) -> None:
        super().__init__()
        filters = mel_filters(bands)
        bins = torch.nonzero(filters.any(dim=0))[:, 0]
        time = np.arange(FRAME // 2)  # from the middle of the frame
        window = 0.5 + 0.5 * np.cos(2 * np.pi * time / FRAME)
        phase = 2 * np.pi * np.outer(time, bins.numpy()) / FFT
        cosines, sines = np.cos(phase) * window[:, None], np.sin(phase) * window[:, None]
        cosines[0] /= 2  # the middle is its own mirror image
        self._constant("cosines", torch.tensor(cosines, dtype=torch.float32))
        self._constant("sines", torch.tensor(sines, dtype=torch.float32))
        self._constant("filters", filters[:, bins].T.contiguous())

    def _constant(self, name: str, value: Tensor) -> None:
        self.register_buffer(name, value, persistent=False)

    @in_float32
    def forward(self, waveforms: Tensor) -> Tensor:
        """Compute the features of windows of at least one frame (400 samples)."""
        frames = self._frames(waveforms)
        later, sooner = frames[..., FRAME // 2 :], frames[..., 1 : FRAME // 2 + 1].flip(2)
        real, imaginary = (later + sooner) @ self.cosines, (later - sooner) @ self.sines
        power = real.square() + imaginary.square()
        # A clamp and not "+ 1e-8": the ONNX exporter's optimiser drops so small a summand, and the
        # logarithm of digital silence becomes -inf.
        logmel = (power @ self.filters).clamp(min=1e-8).log().transpose(1, 2)
        loudest = logmel.amax(dim=(1, 2), keepdim=True)
        logmel = torch.maximum(logmel, loudest - DYNAMIC_RANGE)
        centred = logmel - logmel.mean(dim=2, keepdim=True)
        deviation = centred.square().mean(dim=2, keepdim=True).sqrt()
        return centred / (deviation + 0.3)

    @staticmethod
    def _frames(waveforms: Tensor) -> Tensor:
        """Cut into overlapping frames ``[batch, frames, FRAME]``: five blocks each, two apart."""
        count = waveforms.shape[1] // BLOCK
        blocks = waveforms[:, : count * BLOCK].reshape(waveforms.shape[0], -1, BLOCK)
        span, step = FRAME // BLOCK, HOP // BLOCK
        last = (count - span) // step * step + 1
        return torch.cat([blocks[:, i : i + last : step] for i in range(span)], dim=2)


def shift(features: Tensor, most: int = 3) -> Tensor:
    """Move each clip by up to `most` mel bands, as another vocal tract would (training only).

    Jaitly, Hinton: Vocal tract length perturbation improves speech recognition, ICML 2013.
    """
    batch, bands, _ = features.shape
    moved = torch.arange(bands) + torch.randint(-most, most + 1, (batch, 1))
    source = moved.clamp(0, bands - 1).to(features.device)
    return features.gather(1, source.unsqueeze(2).expand_as(features))


def mask(features: Tensor, *, longest_gap: float = 1 / 8) -> Tensor:
    """Blank two random bands of frequency and two of time of each clip (training only).

    A band of time takes up to `longest_gap` of the frames.

    Park et al.: SpecAugment, INTERSPEECH 2019.
    """
    batch, bands, frames = features.shape
    for dim, size, widest in ((1, bands, bands // 6), (2, frames, int(frames * longest_gap))):
        for _ in range(2):
            width = torch.randint(0, max(2, widest), (batch, 1))
            start = (torch.rand(batch, 1) * (size - width)).long()
            place = torch.arange(size)
            hidden = (place >= start) & (place < start + width)
            hidden = hidden.unsqueeze(3 - dim).to(features.device)
            features = features.masked_fill(hidden, 0.0)
    return features


class SeparableBlock(nn.Module):
    """Depthwise convolution over time, pointwise over channels, added to the input."""

    def __init__(self, channels: int, kernel: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv1d(channels, channels, kernel, padding=kernel // 2, groups=channels, bias=False),
            nn.Conv1d(channels, channels, 1, bias=False),
            nn.BatchNorm1d(channels),
            nn.ReLU(),
            nn.Dropout(dropout),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Map ``[batch, channels, frames]`` to the same shape."""
        transformed: Tensor = self.layers(features)
        return features + transformed


def halve(channels: int, more: int, kernel: int) -> nn.Sequential:
    """Return a convolution that leaves every other frame, with more channels."""
    return nn.Sequential(
        nn.Conv1d(channels, more, kernel, stride=2, padding=kernel // 2, bias=False),
        nn.BatchNorm1d(more),
        nn.ReLU(),
    )


class Compact(nn.Module):
    """Waveforms ``[batch, samples]`` to an embedding ``[batch, embedding_size]``."""

    input_normalization = "window"
    min_samples = FRAME

    def __init__(self, layout: Mapping[str, Any], *, bands: int = 40, dropout: float = 0.1) -> None:
        super().__init__()
        stages = _stages(layout)
        (first, _), (last, _) = stages[0], stages[-1]
        self.features = LogMel(bands)
        self.stem = halve(bands, first, 5)
        blocks: list[nn.Module] = []
        for place, (channels, count) in enumerate(stages):
            if place:
                blocks.append(halve(stages[place - 1][0], channels, 3))
            blocks += [SeparableBlock(channels, 9, dropout) for _ in range(count)]
        self.blocks = nn.Sequential(*blocks)
        self.pooling = AttentiveStatisticsPooling(last)
        self.normalize = nn.BatchNorm1d(2 * last)
        self.embedding_size = 2 * last

    def frames(self, waveforms: Tensor) -> Tensor:
        """Compute what is pooled, ``[batch, channels, frames]`` with a frame every 40 ms."""
        with torch.no_grad():
            features = self.features(waveforms)
        if self.training:
            features = mask(shift(features))
        frames: Tensor = self.blocks(self.stem(features))
        return frames

    def pool(self, frames: Tensor) -> Tensor:
        """Compute the embedding of frames."""
        embedding: Tensor = self.normalize(self.pooling(frames))
        return embedding

    def forward(self, waveforms: Tensor) -> Tensor:
        """Compute the embedding."""
        return self.pool(self.frames(waveforms))


def _stages(layout: Mapping[str, Any]) -> list[tuple[int, int]]:
    """Return the channels and the number of blocks of each stage."""
    values = LAYOUT | dict(layout)
    counts = [values["channels"], values["blocks"]]
    is_list = all(isinstance(part, list | tuple) and part for part in counts)
    if set(values) != set(LAYOUT) or not is_list or len(counts[0]) != len(counts[1]):
        msg = f"encoder_config of compact is {dict(layout)!r}: it is a table like {LAYOUT!r}"
        raise ConfigError(msg)
    if not all(type(number) is int and 0 < number <= 4096 for part in counts for number in part):
        msg = f"encoder_config of compact has {counts}: they are whole numbers from 1 to 4096"
        raise ConfigError(msg)
    return list(zip(*counts, strict=True))
