"""Operations of one window, counted from a network's shape. Needs no torch.

With T frames, H = hidden_size, I = intermediate_size, L layers, and 2 operations a multiplication
and addition:

    convolutions   sum over i of  2 T_i C_(i-1) k_i C_i,   T_i = floor((T_(i-1) - k_i) / s_i) + 1
    projection     2 T C_last H
    position       2 T' H (H / groups) K,   T' = T + 1 where the kernel K is even, else T
    layers         L (8 T H^2 + 4 T^2 H + 4 T H I): q, k, v, out; scores and mixing; feed-forward
    head           2 P labels, P being the pooled size: nothing beside the rest

Norms, activations and softmax are left out: they are no matrix products. Where convolution
features are reused, convolutions and projection run over the frames of a hop only: hop_s / window_s
of them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ser_rt.errors import CheckpointError

_DEFAULTS: dict[str, Any] = {
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "intermediate_size": 3072,
    "conv_dim": (512,) * 7,
    "conv_kernel": (10, 3, 3, 3, 3, 2, 2),
    "conv_stride": (5, 2, 2, 2, 2, 2, 2),
    "num_conv_pos_embeddings": 128,
    "num_conv_pos_embedding_groups": 16,
}
"""Defaults of transformers where a config.json has no value."""


@dataclass(frozen=True)
class Operations:
    """Operations of one window, by part."""

    convolutions: float
    projection: float
    position: float
    layers: float

    @property
    def window(self) -> float:
        """All of a window."""
        return self.convolutions + self.projection + self.position + self.layers

    def hop(self, share: float) -> float:
        """All of a hop that is ``share`` of the window, features being reused."""
        return (self.convolutions + self.projection) * share + self.position + self.layers


def count(shape: Mapping[str, Any], samples: int, layers: int = 0) -> Operations:
    """Count the operations of a wav2vec2, HuBERT or WavLM encoder over a window.

    Args:
        shape: Its config.json.
        samples: Length of the window.
        layers: Layers in use; 0 for all.
    """
    shape = _DEFAULTS | dict(shape)
    frames, channels, convolutions = samples, 1, 0.0
    for size, kernel, stride in zip(
        shape["conv_dim"], shape["conv_kernel"], shape["conv_stride"], strict=True
    ):
        frames = (frames - kernel) // stride + 1
        convolutions += 2.0 * frames * channels * kernel * size
        channels = size
    hidden, inner = shape["hidden_size"], shape["intermediate_size"]
    kernel = shape["num_conv_pos_embeddings"]
    wide = frames + (kernel % 2 == 0)
    layer = 8 * frames * hidden**2 + 4 * frames**2 * hidden + 4 * frames * hidden * inner
    return Operations(
        convolutions=convolutions,
        projection=2.0 * frames * channels * hidden,
        position=2.0 * wide * hidden * (hidden // shape["num_conv_pos_embedding_groups"]) * kernel,
        layers=float((layers or shape["num_hidden_layers"]) * layer),
    )


def of_run(folder: Path, samples: int) -> Operations | None:
    """Count for the network of a training run; None where there is no formula for its kind.

    Raises:
        CheckpointError: the folder is no run.
    """
    path = folder / "config.json"
    try:
        model = json.loads(path.read_text(encoding="utf-8"))["model"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        msg = f"cannot read {path} ({error}); give the folder that ser-train wrote"
        raise CheckpointError(msg) from error
    if not model.get("encoder_config"):
        return None
    return count(model["encoder_config"], samples, model.get("num_layers", 0))
