"""Small networks with random weights, saved as a hub would hold them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from transformers import (
    HubertConfig,
    HubertForCTC,
    Wav2Vec2Config,
    Wav2Vec2CTCTokenizer,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2ForCTC,
    Wav2Vec2Processor,
    WavLMConfig,
    WavLMForCTC,
)

SHAPE: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "conv_dim": (16,) * 7,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 2,
    "vocab_size": 6,
    "pad_token_id": 3,
}
XLSR = {"feat_extract_norm": "layer", "do_stable_layer_norm": True, "conv_bias": True}
CLASSES: dict[str, Any] = {
    "wav2vec2": (Wav2Vec2Config, Wav2Vec2ForCTC),
    "hubert": (HubertConfig, HubertForCTC),
    "wavlm": (WavLMConfig, WavLMForCTC),
}


def write_base(folder: Path, kind: str = "wav2vec2", **changes: Any) -> Path:
    """Write a speech recogniser and its processor; only its encoder is of use for emotions."""
    config_class, network_class = CLASSES[kind]
    torch.manual_seed(7)
    config = config_class(**(SHAPE | XLSR | changes))
    network_class(config).save_pretrained(folder)
    (folder / "vocab.json").write_text(
        json.dumps({"<s>": 0, "</s>": 1, "<unk>": 2, "<pad>": 3, "|": 4, "가": 5})
    )
    Wav2Vec2Processor(
        Wav2Vec2FeatureExtractor(do_normalize=True, return_attention_mask=True),
        Wav2Vec2CTCTokenizer(str(folder / "vocab.json")),
    ).save_pretrained(folder)
    return folder
