"""`WeightAverage`: the exponential moving average of the weights, which generalises better."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from transformers import TrainerCallback

_Tensors = tuple[Tensor, ...] | list[Tensor]

AVERAGE = "average.safetensors"
"""File of the averaged weights in a checkpoint."""


class WeightAverage(TrainerCallback):
    """Keeps the average of a network's weights and buffers during training.

    Polyak, Juditsky: Acceleration of stochastic approximation by averaging, 1992. Early on the
    decay is ``(1 + step) / (10 + step)``, so that the initial weights are soon forgotten.
    """

    def __init__(self, decay: float) -> None:
        self._decay = decay

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002 (its signature)
        """Start from the current weights, or from the average of the resumed checkpoint."""
        self._average = AveragedModel(kwargs["model"], multi_avg_fn=self._blend, use_buffers=True)
        if state.global_step:
            self._average.module.load_state_dict(load_file(_file(args, state)))
        self._average.n_averaged.fill_(state.global_step + 1)  # the initial weights are the first

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002 (its signature)
        """Add the weights after a step."""
        self._average.update_parameters(kwargs["model"])

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002 (its signature)
        """Write the average beside the checkpoint's weights."""
        if state.is_world_process_zero:
            save_file(self._average.module.state_dict(), _file(args, state))

    @contextmanager
    def applied_to(self, model: nn.Module) -> Iterator[None]:
        """Give the network its averaged weights for a while."""
        own = deepcopy(model.state_dict())
        self.load_into(model, None)
        try:
            yield
        finally:
            model.load_state_dict(own)

    def load_into(self, model: nn.Module, checkpoint: str | None) -> None:
        """Give the network the average of a checkpoint for good, or the current one without it."""
        current = self._average.module.state_dict()
        model.load_state_dict(load_file(Path(checkpoint) / AVERAGE) if checkpoint else current)

    def _blend(self, averages: _Tensors, values: _Tensors, count: Tensor | int) -> None:
        step = int(count)
        get_ema_multi_avg_fn(min(self._decay, (1 + step) / (10 + step)))(averages, values, count)


def _file(args: Any, state: Any) -> Path:
    return Path(args.output_dir) / f"checkpoint-{state.global_step}" / AVERAGE
