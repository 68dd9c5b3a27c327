"""Attention over cached keys and values, and WavLM's with a mask and its relative positions."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from transformers.models.wavlm.modeling_wavlm import WavLMAttention


def attend(
    attention: Any,
    frames: Tensor,
    added: Tensor | None,
    past: tuple[Tensor, Tensor] | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Let frames ``[batch, frames, size]`` attend to each other and to those before them.

    Args:
        attention: a module of transformers, with `q_proj` and its likes.
        frames: of a hop, or of a whole window.
        added: to the scores, ``[batch, heads, frames, past + frames]``, as far as it broadcasts.
        past: keys and values of the frames before, ``[batch, heads, past, size of a head]`` each.

    Returns:
        What is added to the frames, and the last keys and values, as many as there were before.
    """
    queries, keys, values = (
        linear(frames).unflatten(2, (attention.num_heads, -1)).transpose(1, 2)
        for linear in (attention.q_proj, attention.k_proj, attention.v_proj)
    )
    if attention.scaling != 1.0:
        queries = queries * attention.scaling
    if past is not None:
        keys, values = torch.cat([past[0], keys], dim=2), torch.cat([past[1], values], dim=2)
    scores = queries @ keys.transpose(2, 3)
    weights = (scores if added is None else scores + added).softmax(dim=3)
    weights = nn.functional.dropout(weights, attention.dropout, attention.training)
    attended: Tensor = attention.out_proj((weights @ values).transpose(1, 2).flatten(2))
    # Here, as part of a layer, they are exported in half precision.
    kept = keys.shape[2] if past is None else past[0].shape[2]
    return attended, keys[:, :, -kept:], values[:, :, -kept:]


class MaskedAttention(WavLMAttention):
    """WavLM's attention with a mask that is added to its scores, as the other networks take one.

    Chen et al.: WavLM, large-scale self-supervised pre-training for full stack speech processing,
    2022 (gated relative position bias).
    """

    def forward(  # type: ignore[override]
        self,
        hidden_states: Tensor,
        attention_mask: Tensor | None = None,
        position_bias: Tensor | None = None,
        output_attentions: bool = False,  # noqa: ARG002, FBT001, FBT002 (transformers' signature)
        index: int = 0,  # noqa: ARG002 (as above)
    ) -> tuple[Tensor, None, Tensor | None]:
        """Return the frames, no weights, and the bias for the next layer."""
        attended, _, _ = attend(
            self, hidden_states, self.added(hidden_states, attention_mask, position_bias)
        )
        return attended, None, position_bias

    def added(self, frames: Tensor, mask: Tensor | None, bias: Tensor | None) -> Tensor | None:
        """Return what is added to the scores: the mask, and the bias as each frame gates it."""
        if bias is None:
            return mask
        heads = frames.unflatten(2, (self.num_heads, -1)).transpose(1, 2)
        gates = self.gru_rel_pos_linear(heads).unflatten(3, (2, 4)).sum(dim=4).sigmoid()
        opened = gates[..., :1] * (gates[..., 1:] * self.gru_rel_pos_const - 1.0) + 2.0
        gated: Tensor = opened * bias
        return gated if mask is None else gated + mask


class RelativePositions(nn.Module):
    """WavLM's bias by the distance of two frames, from the table in its first layer."""

    buckets: Tensor

    def __init__(self, attention: WavLMAttention) -> None:
        super().__init__()
        self.most = int(attention.max_distance)
        """Distance in frames from which on all are alike."""
        # A logarithm decides between buckets: in a table it rounds alike wherever it runs.
        distances = torch.arange(-self.most, self.most + 1)
        bucket: Any = attention._relative_positions_bucket  # noqa: SLF001 (its formula)
        buckets = bucket(distances)
        self.register_buffer("buckets", buckets, persistent=False)

    def forward(self, table: nn.Embedding, past: int, frames: int) -> Tensor:
        """Return the bias of frames after `past` others, ``[1, heads, frames, past + frames]``."""
        device = self.buckets.device
        queries = torch.arange(frames, device=device).unsqueeze(1) + past
        distance = torch.arange(past + frames, device=device) - queries
        rows = self.buckets[distance.clamp(-self.most, self.most) + self.most]
        bias: Tensor = table(rows).permute(2, 0, 1)[None]
        return bias
