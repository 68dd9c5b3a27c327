"""Outlier channels of activations: scaled down before products that are going to be quantized.

A few channels of a transformer are tens of times larger than the others, and one step of uint8 is
then larger than what most channels carry. Such channels are divided before the product, and the
weights that they meet are multiplied: the product stays what it was.

Xiao et al.: SmoothQuant, ICML 2023; there all channels are scaled, and into the layer before.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from ser_rt.classifier import FloatArray

OUTLIER = 4.0
"""Times the median channel that the largest one must be for anything to be scaled."""
LEVEL = 2.0
"""Times the median channel that remains of larger ones."""


class Levelled(nn.Linear):
    """A linear layer whose input ``[..., channels]`` is divided, and its weights multiplied."""

    gain: Tensor

    def __init__(self, linear: nn.Linear, scale: Tensor) -> None:
        super().__init__(linear.in_features, linear.out_features, linear.bias is not None)
        self.weight = nn.Parameter(linear.weight.detach() * scale, requires_grad=False)
        self.bias = linear.bias
        self.register_buffer("gain", 1 / scale)

    def forward(self, values: Tensor) -> Tensor:
        """Return what the linear layer alone did."""
        return super().forward(values * self.gain)


def level_outliers(model: nn.Module, speech: Sequence[FloatArray]) -> int:
    """Scale the outlier channels before the linear layers of a network, in place.

    Args:
        model: a network in evaluation mode.
        speech: waveforms ``[batch, samples]`` from which the channels' magnitudes are read.

    Returns:
        How many layers had some.
    """
    layers = {name: m for name, m in model.named_modules() if isinstance(m, nn.Linear)}
    most = _largest_inputs(model, layers, speech)
    count = 0
    for name, largest in most.items():
        median = largest.median().clamp(min=1e-6)
        if largest.max() <= OUTLIER * median:
            continue
        parent, _, child = name.rpartition(".")
        scale = (largest / (LEVEL * median)).clamp(min=1.0)
        setattr(model.get_submodule(parent), child, Levelled(layers[name], scale))
        count += 1
    return count


def _largest_inputs(
    model: nn.Module, layers: dict[str, nn.Linear], speech: Sequence[FloatArray]
) -> dict[str, Tensor]:
    """Return the largest magnitude of each input channel of the layers that are called."""
    most: dict[str, Tensor] = {}

    def watch(name: str) -> Callable[[nn.Module, Any], None]:
        def keep(_: nn.Module, given: tuple[Tensor]) -> None:
            found = given[0].abs().flatten(0, -2).amax(dim=0)
            most[name] = torch.maximum(most.get(name, found), found)

        return keep

    hooks = [layer.register_forward_pre_hook(watch(name)) for name, layer in layers.items()]
    try:
        with torch.no_grad():
            for batch in speech:
                model(torch.from_numpy(batch))
    finally:
        for hook in hooks:
            hook.remove()
    return most
