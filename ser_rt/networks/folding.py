"""Folding of weights: sums and products that can be computed once, before a network is traced.

`unfold` is the way back, from the weights of an exported graph to a network that can be trained.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from transformers.models.hubert.modeling_hubert import HubertAttention
from transformers.models.wav2vec2.modeling_wav2vec2 import Wav2Vec2Attention
from transformers.models.whisper.modeling_whisper import WhisperAttention

from ser_rt.errors import CheckpointError
from ser_rt.networks.attention import MaskedAttention
from ser_rt.networks.wav2vec2_causal import StreamingWav2Vec2
from ser_rt.networks.whisper import Layers

_Attention = Wav2Vec2Attention | HubertAttention | WhisperAttention | MaskedAttention
_UNREAD = ("num_batches_tracked", "masked_spec_embed")
"""Ends of the names of what training alone reads."""


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


@torch.no_grad()
def unfold(network: nn.Module, folded: Mapping[str, Tensor]) -> list[str]:
    """Load the weights of a folded network into one that is not, in place; outputs are the same.

    What folding dropped is filled in: biases of keys and values are zero, taps of positions that
    are not read stay as they were, and a norm that was folded into its convolution passes on what
    comes, plus the convolution's bias.

    Args:
        network: of the same settings, with random weights.
        folded: weights by their names in the network.

    Returns:
        The names of the norms that were folded away, and with them their statistics.

    Raises:
        CheckpointError: some weights are not there, or of another shape.
    """
    given, lost = dict(folded), []
    for name, module in network.named_modules():
        if isinstance(module, _Attention):
            _unfold_attention(given, name, module)
        elif isinstance(module, nn.BatchNorm1d) and _unfold_norm(given, name, module):
            lost.append(name)
        for part in getattr(module, "parametrizations", {}):
            if (weight := given.pop(f"{name}.{part}", None)) is not None:
                _set_taps(module, part, weight)
    state = network.state_dict()
    known = {key for key in state if ".parametrizations." in key or key.endswith(_UNREAD)}
    if missing := [key for key in state if key not in given and key not in known]:
        msg = f"{len(missing)} weights of the network are not in it, such as {missing[0]}"
        raise CheckpointError(msg)
    for key, value in state.items():
        if key in given and value.shape != given[key].shape:
            found, right = tuple(given[key].shape), tuple(value.shape)
            msg = f"{key} has the shape {found}, and the network's is {right}"
            raise CheckpointError(msg)
    network.load_state_dict({key: given[key] for key in state if key in given}, strict=False)
    return lost


def _unfold_attention(given: dict[str, Tensor], name: str, attention: _Attention) -> None:
    for part in ("weight", "bias"):
        if (queries := given.get(f"{name}.q_proj.{part}")) is not None:
            given[f"{name}.q_proj.{part}"] = queries / attention.scaling
    for linear in ("k_proj", "v_proj"):
        if (bias := getattr(attention, linear).bias) is not None:
            given.setdefault(f"{name}.{linear}.bias", torch.zeros_like(bias))


def _unfold_norm(given: dict[str, Tensor], name: str, norm: nn.BatchNorm1d) -> bool:
    """Fill in a norm if the exporter made one convolution of it and the one before."""
    before, _, place = name.rpartition(".")
    convolution = f"{before}.{int(place) - 1}" if place.isdecimal() else ""
    bias = given.pop(f"{convolution}.weight_bias", None)
    if bias is None:
        return False
    given[f"{name}.weight"] = torch.full_like(bias, math.sqrt(1 + norm.eps))
    given[f"{name}.bias"] = bias
    given[f"{name}.running_mean"] = torch.zeros_like(bias)
    given[f"{name}.running_var"] = torch.ones_like(bias)
    return True


def _set_taps(module: nn.Module, name: str, weight: Tensor) -> None:
    """Set a computed weight, of which `trim_positions` may have left out the last taps."""
    whole = getattr(module, name).detach().clone()
    if weight.shape[:-1] != whole.shape[:-1] or weight.shape[-1] > whole.shape[-1]:
        msg = f"{name} of positions has the shape {tuple(weight.shape)}, not {tuple(whole.shape)}"
        raise CheckpointError(msg)
    whole[..., : weight.shape[-1]] = weight
    setattr(module, name, whole)


@torch.no_grad()
def settle_norms(network: nn.Module, names: Collection[str], waveforms: Iterable[Tensor]) -> None:
    """Give the norms that `unfold` lost the statistics of speech; outputs stay the same.

    Training normalises by the statistics of each batch: with others, it would begin by unlearning.
    """
    sums: dict[str, list[Tensor]] = {name: [] for name in names}

    def watch(name: str) -> Callable[[nn.Module, tuple[Tensor]], None]:
        def keep(_: nn.Module, given: tuple[Tensor]) -> None:
            values = given[0].double().transpose(0, 1).flatten(1)
            count = torch.full_like(values[:, 0], values.shape[1])
            sums[name].append(torch.stack([count, values.sum(1), values.square().sum(1)]))

        return keep

    hooks = [network.get_submodule(n).register_forward_pre_hook(watch(n)) for n in names]
    was_training = network.training
    network.eval()
    for batch in waveforms:
        network(batch)
    network.train(was_training)
    for hook in hooks:
        hook.remove()
    for name, parts in sums.items():
        norm: Any = network.get_submodule(name)
        count, total, squares = torch.stack(parts).sum(dim=0)
        mean = total / count
        variance = (squares / count - mean.square()).clamp(min=0)
        slope = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
        norm.bias.add_((mean - norm.running_mean) * slope)
        norm.weight.copy_(slope * (variance + norm.eps).sqrt())
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)
