"""An exponential moving average of the weights, which generalises better than the last ones."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import TrainerCallback

AVERAGE = "average.safetensors"
"""File of the averaged weights in a checkpoint."""


class WeightAverage(TrainerCallback):
    """Keeps the average of a network's weights and running statistics while it is trained.

    Polyak, Juditsky: Acceleration of stochastic approximation by averaging, 1992. Early on the
    decay is ``(1 + step) / (10 + step)``, so that the first weights are soon forgotten.
    """

    def __init__(self, decay: float) -> None:
        self._decay = decay
        self._average: dict[str, Tensor] = {}

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002
        """Start from the weights there are, or go on with the resumed checkpoint's average."""
        model: nn.Module = kwargs["model"]
        saved = Path(args.output_dir) / f"checkpoint-{state.global_step}" / AVERAGE
        weights = {name: value.detach().clone() for name, value in model.state_dict().items()}
        if state.global_step:
            resumed = load_file(saved)
            weights = {name: resumed[name].to(value.device) for name, value in weights.items()}
        self._average = weights

    @torch.no_grad()
    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002
        """Take in the weights of one more step."""
        decay = min(self._decay, (1 + state.global_step) / (10 + state.global_step))
        for name, value in kwargs["model"].state_dict().items():
            if value.is_floating_point():
                self._average[name].lerp_(value, 1 - decay)
            else:
                self._average[name].copy_(value)

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002
        """Write the average beside the checkpoint's weights."""
        if state.is_world_process_zero:
            folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
            save_file(self._average, folder / AVERAGE)

    @contextmanager
    def applied_to(self, model: nn.Module) -> Iterator[None]:
        """Give the network its averaged weights for a while."""
        own = {name: value.detach().clone() for name, value in model.state_dict().items()}
        model.load_state_dict(self._average)
        try:
            yield
        finally:
            model.load_state_dict(own)

    def load_into(self, model: nn.Module, checkpoint: str | None) -> None:
        """Give the network the average of a checkpoint for good, or the newest without one."""
        model.load_state_dict(
            load_file(Path(checkpoint) / AVERAGE) if checkpoint else self._average
        )
