"""Memory that fine-tuning the 317M network takes, and the table of it in docs/training.md.

`python -m benchmarks.measure.training_memory` prints the table. Nothing is computed: the network
runs on torch's "meta" device, which knows shapes only, and what autograd keeps is added up.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from ser_rt.config import ModelConfig, TrainingConfig
from ser_rt.constants import EMOTIONS
from ser_rt.networks.model import EmotionModel
from ser_rt.training.fine_tuning import prepare_network

XLSR_LARGE: dict[str, Any] = {
    "model_type": "wav2vec2",
    "hidden_size": 1024,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "intermediate_size": 4096,
    "feat_extract_norm": "layer",
    "do_stable_layer_norm": True,
    "conv_bias": True,
    "conv_dim": [512] * 7,
    "conv_kernel": [10, 3, 3, 3, 3, 2, 2],
    "conv_stride": [5, 2, 2, 2, 2, 2, 2],
    "num_conv_pos_embeddings": 128,
    "num_conv_pos_embedding_groups": 16,
}
"""Shape of kresnik/wav2vec2-large-xlsr-korean, as its config.json has it."""

FULL_SIZE = ModelConfig(
    emotion_labels=tuple(EMOTIONS), encoder_config=XLSR_LARGE, input_normalization="window"
)
GB = 1e9


def parameters(settings: ModelConfig = FULL_SIZE) -> tuple[int, int]:
    """Parameters of the network, and those of them that are trained."""
    with torch.device("meta"):
        model = EmotionModel(settings)
        prepare_network(model, TrainingConfig())
    sizes = [(p.numel(), p.requires_grad) for p in model.parameters()]
    return sum(size for size, _ in sizes), sum(size for size, trained in sizes if trained)


def kept_bytes(layers: int, batch: int, seconds: float) -> int:
    """Bytes that autograd keeps for the backward pass, in float32, without checkpointing."""
    with torch.device("meta"):
        model = EmotionModel(replace(FULL_SIZE, num_layers=layers, mask_time_prob=0.0)).train()
        prepare_network(model, TrainingConfig())
        waveforms = torch.empty(batch, round(seconds * 16_000))
    own = {parameter.untyped_storage()._cdata for parameter in model.parameters()}  # noqa: SLF001 (a meta tensor has no address)
    kept: dict[int, int] = {}
    alive = []

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in own:  # noqa: SLF001 (as above)
            kept[storage._cdata] = storage.nbytes()  # noqa: SLF001 (as above)
            alive.append(storage)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        model(waveforms)["logits"].sum()
    return sum(kept.values())


def activations(batch: int, seconds: float, *, checkpointing: bool) -> int:
    """Bytes of activations of a step: all of them, or each layer's input and one layer's inside."""
    layers: int = XLSR_LARGE["num_hidden_layers"]
    two, one = kept_bytes(2, batch, seconds), kept_bytes(1, batch, seconds)
    layer, rest = two - one, 2 * one - two
    if not checkpointing:
        return rest + layers * layer
    frames = round(seconds * 50)
    inputs: int = layers * batch * frames * XLSR_LARGE["hidden_size"] * 4
    return rest + inputs + layer


def table() -> str:
    """Lay out memory over batch size, for 4 s windows."""
    count, trained = parameters()
    fixed = 4 * count + 12 * trained
    lines = [
        f"{count / 1e6:.1f} M parameters, {trained / 1e6:.1f} M trained: {fixed / GB:.1f} GB.",
        "",
        "| batch_size | window | activations | with gradient_checkpointing | in all | with it |",
        "| ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for batch in (1, 2, 4, 8, 16):
        plain, saved = (activations(batch, 4.0, checkpointing=c) for c in (False, True))
        lines.append(
            f"| {batch} | 4 s | {plain / GB:.1f} GB | {saved / GB:.1f} GB "
            f"| {(fixed + plain) / GB:.1f} GB | {(fixed + saved) / GB:.1f} GB |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(table() + "\n")
