"""Folding of weights: sums and products that can be computed once, before a network is traced."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.utils import parametrize
from transformers.models.hubert.modeling_hubert import HubertAttention
from transformers.models.wav2vec2.modeling_wav2vec2 import Wav2Vec2Attention
from transformers.models.whisper.modeling_whisper import WhisperAttention

from ser_rt.networks.attention import MaskedAttention
from ser_rt.networks.wav2vec2_causal import StreamingWav2Vec2
from ser_rt.networks.whisper import Layers

_Attention = Wav2Vec2Attention | HubertAttention | WhisperAttention | MaskedAttention


def fold(network: nn.Module) -> None:
    """Fold weights and attention in place; the network's outputs stay the same."""
    for module in network.modules():
        _fold_parametrizations(module)
        if isinstance(module, _Attention):
            _fold_attention(module)
        if isinstance(module, Layers):
            _halve_positions(module.embed_positions)
    for module in network.modules():
        if isinstance(module, StreamingWav2Vec2):
            module.trim_positions()


def _fold_parametrizations(module: nn.Module) -> None:
    """Replace computed weights by their values: the exporter does not fold large ones."""
    for name in list(getattr(module, "parametrizations", {})):
        parametrize.remove_parametrizations(module, name, leave_parametrized=True)


@torch.no_grad()
def _fold_attention(attention: _Attention) -> None:
    """Leave out three passes over queries, keys and values.

    Queries can be made at the scale of the scores. A bias of the keys adds the same to all scores
    of a query, which leaves softmax unchanged. A bias of the values passes through unchanged, as
    the attention weights add up to one, and so it becomes part of the output's bias.
    Folding again changes nothing.
    """
    queries, keys = attention.q_proj, attention.k_proj
    values, out = attention.v_proj, attention.out_proj
    queries.weight.mul_(attention.scaling)
    if all(linear.bias is not None for linear in (queries, values)):
        queries.bias.mul_(attention.scaling)
        out.bias.add_(out.weight @ values.bias)
        for linear in (keys, values):
            linear.register_parameter("bias", None)
    attention.scaling = 1.0


def _halve_positions(table: nn.Embedding) -> None:
    """Keep a table of positions in half precision where that loses nothing.

    Whisper was published in half precision. The table is 3 MB of its base size in float32, more
    than a tenth of an int8 graph.
    """
    half = table.weight.detach().half()
    if torch.equal(half.float(), table.weight):
        table.weight = nn.Parameter(half, requires_grad=False)
