"""`RunningLevel`, which brings audio to one level, judged by the samples so far."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ser_rt.constants import SAMPLE_RATE
from ser_rt.networks.streaming import STRIDE

MEMORY_S = 3.0
"""Time after which audio counts 1/e of what it did."""
USUAL_LEVEL = 0.05
"""RMS of speech as it is usually recorded, from which a stream starts."""
USUAL_S = 0.5
"""Audio that the usual level counts as much as: so that a breath is not taken for speech."""


class RunningLevel(nn.Module):
    """Divides every frame of `STRIDE` samples by the RMS level up to its end.

    The level is a mean of power that forgets, with `USUAL_S` of the usual level in it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.frames = MEMORY_S * SAMPLE_RATE / STRIDE
        self.usual = USUAL_S * SAMPLE_RATE / STRIDE

    def forward(self, waveforms: Tensor) -> Tensor:
        """Level the whole frames of windows ``[batch, samples]``; what remains is left out."""
        nothing = torch.zeros_like(waveforms[:, :1])
        levelled, _, _ = self.hop(waveforms, nothing, nothing)
        return levelled

    def hop(
        self, waveforms: Tensor, power: Tensor, weight: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Level the audio of a hop ``[batch, samples]``.

        Args:
            waveforms: whole frames.
            power: sum of the power of the frames before, each weighted by its age, ``[batch, 1]``.
            weight: sum of these weights, ``[batch, 1]``.

        Returns:
            The audio, and both sums for the next hop.
        """
        count = waveforms.shape[1] // STRIDE
        frames = waveforms[:, : count * STRIDE].unflatten(1, (count, STRIDE))
        number = torch.arange(count, device=waveforms.device)
        age = (number.unsqueeze(1) - number).clamp(min=0)
        counts = (age.float() / -self.frames).exp().tril()
        before = ((number + 1).float() / -self.frames).exp()
        powers = frames.square().mean(dim=2).unsqueeze(1)
        # No product of matrices: autocast would make it in half precision, and int8 quantize it.
        powers = (counts * powers).sum(dim=2) + before * power
        weights = counts.sum(dim=1) + before * weight
        level = (powers + self.usual * USUAL_LEVEL**2) / (weights + self.usual)
        levelled = (frames / level.sqrt().unsqueeze(2)).flatten(1)
        return levelled, powers[:, -1:], weights[:, -1:]
