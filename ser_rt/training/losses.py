"""What training minimises. Targets are label ids ``[batch]``, or shares ``[batch, labels]``."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from ser_rt.config import TrainingConfig
from ser_rt.errors import ConfigError

Loss = Callable[[Tensor, Tensor], Tensor]
"""Maps logits ``[batch, labels]`` and targets to the mean loss of the batch."""


def cross_entropy(counts: Tensor, settings: TrainingConfig) -> Loss:  # noqa: ARG001 (as the others)
    """Every clip counts the same."""
    return nn.CrossEntropyLoss(label_smoothing=settings.label_smoothing)


def weighted(counts: Tensor, settings: TrainingConfig) -> Loss:
    """Every emotion counts the same: a clip counts as much as its emotion is rare."""
    weights = counts.sum() / (len(counts) * counts)

    def loss(logits: Tensor, targets: Tensor) -> Tensor:
        return nn.functional.cross_entropy(
            logits, targets, weights.to(logits.device), label_smoothing=settings.label_smoothing
        )

    return loss


def focal(counts: Tensor, settings: TrainingConfig) -> Loss:  # noqa: ARG001 (as the others)
    """Clips that are classified well count less.

    Lin, Goyal, Girshick, He, Dollar: Focal loss for dense object detection, ICCV 2017.
    """

    def loss(logits: Tensor, targets: Tensor) -> Tensor:
        shares = _as_shares(targets, logits.shape[1], settings.label_smoothing)
        log_probabilities = logits.log_softmax(dim=1)
        doubt = (-log_probabilities.expm1()).clamp(min=1e-6)  # its power has a slope everywhere
        return -(shares * doubt**settings.focal_gamma * log_probabilities).sum(dim=1).mean()

    return loss


def logit_adjusted(counts: Tensor, settings: TrainingConfig) -> Loss:
    """Cross-entropy of logits raised by the log of how common each emotion is.

    What the network then says is good for emotions that are equally likely, which is what the
    unweighted average recall asks for. Menon et al.: Long-tail learning via logit adjustment,
    ICLR 2021.
    """
    prior = settings.logit_tau * (counts / counts.sum()).log()

    def loss(logits: Tensor, targets: Tensor) -> Tensor:
        raised = logits + prior.to(logits.device)
        return nn.functional.cross_entropy(
            raised, targets, label_smoothing=settings.label_smoothing
        )

    return loss


LOSSES: dict[str, Callable[[Tensor, TrainingConfig], Loss]] = {
    "cross_entropy": cross_entropy,
    "weighted": weighted,
    "focal": focal,
    "logit_adjusted": logit_adjusted,
}
"""Losses by name; each is made from the clips that every label has, and the settings."""


def create_loss(counts: Sequence[int], settings: TrainingConfig) -> Loss:
    """Make the loss that `settings.loss` names, for labels with so many training clips each.

    Raises:
        ConfigError: there is no such loss.
    """
    if settings.loss not in LOSSES:
        msg = f"no loss {settings.loss!r}; there are {', '.join(LOSSES)}"
        raise ConfigError(msg)
    return LOSSES[settings.loss](torch.tensor(counts, dtype=torch.float32), settings)


def _as_shares(targets: Tensor, count: int, smoothing: float) -> Tensor:
    if targets.ndim == 1:
        targets = nn.functional.one_hot(targets, count)
    return targets * (1 - smoothing) + smoothing / count
