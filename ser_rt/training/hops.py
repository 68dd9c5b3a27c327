"""Answers at the end of every hop, as a stream gives them, and what is right at each.

A hop's answer is of the last 3 s, but what is right is the emotion of the last second of speech:
so the pooling learns to follow a change.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ser_rt.constants import SAMPLE_RATE
from ser_rt.networks.streaming import STRIDE
from ser_rt.training.data.dataset import NO_LABEL

_LATEST_FRAMES = SAMPLE_RATE // STRIDE


def answers_of(outputs: Mapping[str, Any], inputs: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
    """Return logits ``[answers, labels]`` and their labels, of windows or of all their hops."""
    if "hop_logits" not in outputs:
        return outputs["logits"].float(), inputs["labels"]
    shares = hop_shares(inputs["emotions"], outputs["hop_ends"])
    return outputs["hop_logits"].float().flatten(0, 1), shares.flatten(0, 1)


def hop_shares(emotions: Tensor, ends: Tensor) -> Tensor:
    """Return the share of each emotion in the last second before each end.

    Args:
        emotions: of every 20 ms, ``[batch, times, labels]``; zeros where there is no speech.
        ends: of hops, in frames.

    Returns:
        ``[batch, ends, labels]``, zeros where there was no speech.
    """
    sums = torch.nn.functional.pad(emotions.cumsum(dim=1), (0, 0, 1, 0))
    ends = ends.to(emotions.device).clamp(max=emotions.shape[1])
    latest = sums[:, ends] - sums[:, (ends - _LATEST_FRAMES).clamp(min=0)]
    latest = latest.clamp(min=0)  # sums are rounded
    total = latest.sum(dim=2, keepdim=True)
    return torch.where(total > 1e-3, latest / total.clamp(min=1e-3), 0.0)


def known(labels: Tensor) -> Tensor:
    """Return which labels are known: ids that are, or shares that are not all 0."""
    return labels != NO_LABEL if labels.ndim == 1 else labels.sum(dim=1) > 0
