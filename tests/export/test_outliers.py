"""Outlier channels before quantization: the network stays what it is, its channels come closer."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ser_rt.export.outliers import LEVEL, Levelled, level_outliers


class Network(nn.Module):
    """Two layers; one channel between them is a hundred times larger than the others."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second = nn.Linear(8, 16), nn.Linear(16, 4)
        with torch.no_grad():
            self.first.weight[3] *= 100

    def forward(self, values: Tensor) -> Tensor:
        """Map ``[batch, 8]`` to ``[batch, 4]``."""
        mapped: Tensor = self.second(nn.functional.gelu(self.first(values)))
        return mapped


@pytest.fixture
def speech() -> list[np.ndarray]:
    rng = np.random.default_rng(1)
    return [rng.normal(size=(32, 8)).astype(np.float32) for _ in range(3)]


def test_a_network_is_unchanged_and_its_outliers_are_gone(speech: list[np.ndarray]) -> None:
    network = Network()
    values = torch.from_numpy(speech[0])
    before = network(values)
    assert level_outliers(network, speech) == 1
    assert type(network.first) is nn.Linear
    assert isinstance(network.second, Levelled)
    assert torch.allclose(network(values), before, atol=1e-5)
    inner = nn.functional.gelu(network.first(torch.from_numpy(np.concatenate(speech))))
    channels = (inner * network.second.gain).abs().amax(dim=0)
    assert channels.max() <= 1.01 * LEVEL * inner.abs().amax(dim=0).median()


def test_even_channels_are_left_alone(speech: list[np.ndarray]) -> None:
    network = Network()
    with torch.no_grad():
        network.first.weight[3] /= 100
    assert level_outliers(network, speech) == 0
    assert type(network.second) is nn.Linear


def test_a_layer_that_is_not_called_as_a_module_is_left_alone(speech: list[np.ndarray]) -> None:
    class Direct(Network):
        def forward(self, values: Tensor) -> Tensor:
            hidden = nn.functional.gelu(self.first(values))
            return nn.functional.linear(hidden, self.second.weight, self.second.bias)

    network = Direct()
    assert level_outliers(network, speech) == 0
