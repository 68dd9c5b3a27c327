"""Pooling of frames over time into one embedding of a window."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn


class MeanPooling(nn.Module):
    """Mean over time."""

    growth = 1

    def forward(self, features: Tensor) -> Tensor:
        """Pool ``[batch, channels, frames]`` to ``[batch, channels]``."""
        return features.mean(dim=2)

    def score(self, features: Tensor) -> Tensor:
        """Return how much each frame counts, ``[batch, 1, frames]``: all the same."""
        return torch.zeros_like(features[:, :1])

    def pool(self, features: Tensor, weights: Tensor) -> Tensor:
        """Pool ``[batch, channels, frames]`` by weights that add up to one."""
        return (features * weights).sum(dim=2)


class AttentiveStatisticsPooling(nn.Module):
    """Mean and deviation over time, weighted by attention.

    Okabe, Koshinaka, Shinoda: Attentive statistics pooling, INTERSPEECH 2018.
    """

    growth = 2

    def __init__(self, channels: int, hidden: int = 64) -> None:
        super().__init__()
        self.attention = nn.Sequential(
            nn.Conv1d(channels, hidden, 1), nn.Tanh(), nn.Conv1d(hidden, channels, 1)
        )

    def forward(self, features: Tensor) -> Tensor:
        """Pool ``[batch, channels, frames]`` to ``[batch, 2 * channels]``."""
        return self.pool(features, self.score(features).softmax(dim=2))

    def score(self, features: Tensor) -> Tensor:
        """Return how much each channel of a frame counts, before softmax over the frames."""
        scores: Tensor = self.attention(features)
        return scores

    def pool(self, features: Tensor, weights: Tensor) -> Tensor:
        """Pool ``[batch, channels, frames]`` by weights that add up to one for each channel."""
        mean = (features * weights).sum(dim=2)
        variance = (features.square() * weights).sum(dim=2) - mean.square()
        return torch.cat([mean, variance.clamp(min=1e-5).sqrt()], dim=1)


POOLINGS: dict[str, Callable[[int], MeanPooling | AttentiveStatisticsPooling]] = {
    "mean": lambda _: MeanPooling(),
    "attentive": AttentiveStatisticsPooling,
}


def make_projection(pooled: int, units: int) -> tuple[nn.Module, int]:
    """Return a hidden layer that follows the pooling, or nothing for 0 units; and its size."""
    if not units:
        return nn.Identity(), pooled
    return nn.Sequential(nn.Linear(pooled, units), nn.GELU()), units
