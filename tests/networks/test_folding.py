"""Folding of weights leaves the outputs unchanged."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import HubertConfig, HubertModel, Wav2Vec2Config, Wav2Vec2Model, WavLMConfig
from transformers.models.wavlm import WavLMModel

from ser_rt.networks.folding import fold

SHAPE: dict[str, Any] = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "conv_dim": (8, 8),
    "conv_kernel": (10, 3),
    "conv_stride": (5, 2),
    "num_feat_extract_layers": 2,
    "num_conv_pos_embeddings": 8,
    "num_conv_pos_embedding_groups": 2,
    "attn_implementation": "eager",
}


def make(network: Any, config: Any) -> Any:
    """Make a network none of whose parameters is zero, as if it had learned."""
    torch.manual_seed(1)
    model = network(config(**SHAPE)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return model


NETWORKS = {
    "wav2vec2": (Wav2Vec2Model, Wav2Vec2Config),
    "hubert": (HubertModel, HubertConfig),
    "wavlm": (WavLMModel, WavLMConfig),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_a_folded_network_has_the_same_outputs(name: str) -> None:
    model, folded = make(*NETWORKS[name]), make(*NETWORKS[name])
    fold(folded)
    waves = torch.randn(2, 3000)
    with torch.no_grad():
        right, got = (one(waves).last_hidden_state for one in (model, folded))
    torch.testing.assert_close(got, right, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", ["wav2vec2", "hubert"])
def test_keys_and_values_lose_their_bias_and_scores_their_scale(name: str) -> None:
    model = make(*NETWORKS[name])
    fold(model)
    for layer in model.encoder.layers:
        assert layer.attention.k_proj.bias is None
        assert layer.attention.v_proj.bias is None
        assert layer.attention.scaling == 1.0
    assert not any("parametrizations" in name for name, _ in model.named_parameters())
