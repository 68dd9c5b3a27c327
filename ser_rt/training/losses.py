"""`LOSSES` of training. Targets are label ids ``[batch]``, or shares ``[batch, labels]``."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from ser_rt.config import TrainingConfig
from ser_rt.errors import ConfigError

Loss = Callable[[Tensor, Tensor], Tensor]
"""Maps logits ``[batch, labels]`` and targets to the mean loss of the batch."""


def cross_entropy(counts: Tensor, settings: TrainingConfig) -> Loss:  # noqa: ARG001 (as the others)
    """Return cross-entropy: every clip has the same weight."""
    return nn.CrossEntropyLoss(label_smoothing=settings.label_smoothing)


def weighted(counts: Tensor, settings: TrainingConfig) -> Loss:
    """Return cross-entropy in which every emotion has the same weight, however rare."""
    weights = counts.sum() / (len(counts) * counts)

    def loss(logits: Tensor, targets: Tensor) -> Tensor:
        return nn.functional.cross_entropy(
            logits, targets, weights.to(logits.device), label_smoothing=settings.label_smoothing
        )

    return loss


def focal(counts: Tensor, settings: TrainingConfig) -> Loss:  # noqa: ARG001 (as the others)
    """Return the focal loss: clips that are classified well have less weight.

    Lin, Goyal, Girshick, He, Dollar: Focal loss for dense object detection, ICCV 2017.
    """

    def loss(logits: Tensor, targets: Tensor) -> Tensor:
        shares = _as_shares(targets, logits.shape[1], settings.label_smoothing)
        log_probabilities = logits.log_softmax(dim=1)
        doubt = (-log_probabilities.expm1()).clamp(min=1e-6)  # its power has a gradient everywhere
        return -(shares * doubt**settings.focal_gamma * log_probabilities).sum(dim=1).mean()

    return loss


def logit_adjusted(counts: Tensor, settings: TrainingConfig) -> Loss:
    """Return cross-entropy of logits raised by the log frequency of each emotion.

    The outputs are then right for emotions that are equally likely, which maximises the
    unweighted average recall. Menon et al.: Long-tail learning via logit adjustment,
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
"""Losses by name; each is made from the number of clips of every label, and the settings."""


def discordance(rated: Tensor, true: Tensor) -> Tensor:
    """Return 1 minus the concordance of a batch ``[batch, dimensions]``, the mean over dimensions.

    Values that are NaN in ``true`` are left out; a dimension with fewer than two others has no
    part in it, and where none has enough, it is 0.
    """
    losses = [rated.sum() * 0]
    for own, right in zip(rated.float().T, true.T, strict=True):
        known = right.isfinite()
        if known.sum() < 2:
            continue
        x, y = own[known], right[known]
        shared = ((x - x.mean()) * (y - y.mean())).mean()
        apart = x.var(correction=0) + y.var(correction=0) + (x.mean() - y.mean()) ** 2
        losses.append(1 - 2 * shared / apart.clamp(min=1e-6))
    return torch.stack(losses).sum() / max(1, len(losses) - 1)


def create_loss(counts: Sequence[int], settings: TrainingConfig) -> Loss:
    """Return the loss that `settings.loss` names; `counts` are the training clips of each label.

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
