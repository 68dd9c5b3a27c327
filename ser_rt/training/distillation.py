"""Distillation: a student learns labels, its teacher's probabilities, embeddings and frames.

Hinton, Vinyals, Dean: Distilling the knowledge in a neural network, 2015. Romero et al.: FitNets,
hints for thin deep nets, ICLR 2015.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ser_rt.config import TrainingConfig
from ser_rt.constants import SAMPLE_RATE
from ser_rt.networks.model import EmotionModel
from ser_rt.networks.streaming import POOLED_FRAMES
from ser_rt.training.hops import answers_of, known
from ser_rt.training.losses import Loss
from ser_rt.training.teacher import Teacher


class Imitation(nn.Module):
    """Linear maps from a student's frames and embedding to its teacher's; not exported."""

    def __init__(self, student: EmotionModel, sizes: tuple[int, int]) -> None:
        super().__init__()
        is_training = student.training
        with torch.no_grad():
            frames = student.eval().encoder.frames(torch.zeros(1, SAMPLE_RATE))
        student.train(is_training)
        self.frames = nn.Conv1d(frames.shape[1], sizes[0], 1)
        self.embedding = nn.Linear(student.encoder.embedding_size, sizes[1])

    def forward(self, frames: Tensor, embedding: Tensor) -> tuple[Tensor, Tensor]:
        """Map ``[batch, channels, frames]`` and ``[batch, embedding_size]``."""
        return self.frames(frames), self.embedding(embedding)


class Distillation:
    """The loss of a student: of its labels, and of its teacher's answers for the same windows."""

    def __init__(self, teacher: Teacher, settings: TrainingConfig) -> None:
        self._teacher, self._settings = teacher, settings

    def prepare(self, student: EmotionModel) -> None:
        """Give a student what maps its frames and embedding to the teacher's."""
        student.imitation = Imitation(student, self._teacher.sizes)

    def loss(self, outputs: Mapping[str, Any], inputs: Mapping[str, Tensor], plain: Loss) -> Tensor:
        """Return the loss of a batch.

        Args:
            outputs: of the student, with its imitation.
            inputs: labels, with `NO_LABEL` or shares of 0 where they are unknown; the teacher's
                frames ``[batch, frames, channels]``, and which of them are of the clip.
            plain: the loss of labels.
        """
        taught_frames = inputs["teacher_frames"].float().transpose(1, 2)
        logits, labels = answers_of(outputs, inputs)
        if "hop_logits" in outputs:
            taught_logits, taught_embedding = self._at_hops(taught_frames, outputs["hop_ends"])
        else:
            taught_logits, taught_embedding = self._teacher.answer(taught_frames)
        frames, embedding = (part.float() for part in outputs["imitation"])

        how, losses = self._settings, logits.new_zeros(())
        there = known(labels)
        if there.any():
            losses = (1 - how.teacher_share) * plain(logits[there], labels[there])
        losses = losses + how.teacher_share * _divergence(
            logits, taught_logits, how.teacher_temperature
        )
        losses = losses + how.embedding_weight * _unexplained(embedding, taught_embedding)
        frames = nn.functional.interpolate(frames, taught_frames.shape[2], mode="linear")
        is_clip = inputs["is_clip"]
        return losses + how.frame_weight * _unexplained(
            frames.transpose(1, 2)[is_clip], taught_frames.transpose(1, 2)[is_clip]
        )

    def _at_hops(self, frames: Tensor, ends: Tensor) -> tuple[Tensor, Tensor]:
        """Return the teacher's logits of hops, ``[batch * hops, labels]``, and last embedding."""
        answers = [
            self._teacher.answer(frames[..., max(0, end - POOLED_FRAMES) : end])
            for end in ends.tolist()
        ]
        logits = torch.stack([logits for logits, _ in answers], dim=1)
        return logits.flatten(0, 1), answers[-1][1]


def _divergence(logits: Tensor, taught: Tensor, temperature: float) -> Tensor:
    """Return the divergence from the teacher's softened probabilities, scaled as its gradient."""
    soft = (taught / temperature).softmax(dim=1)
    own = (logits / temperature).log_softmax(dim=1)
    return nn.functional.kl_div(own, soft, reduction="batchmean") * temperature**2


def _unexplained(own: Tensor, taught: Tensor) -> Tensor:
    """Return the share of the variance of ``[rows, values]`` that a regression does not explain."""
    centred = taught - taught.mean(dim=0)
    target = centred / centred.square().mean(dim=0).sqrt().clamp(min=1e-3)
    return nn.functional.mse_loss(own, target)
