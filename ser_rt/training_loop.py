"""transformers' Trainer with our loss, our windows and averaged weights."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, cast

import torch
import transformers
from safetensors import SafetensorError
from torch import Tensor, nn
from torch.utils.data import Sampler

from ser_rt.config import TrainingConfig
from ser_rt.data_loader import Example
from ser_rt.errors import SerError, TrainingError
from ser_rt.fine_tuning import parameter_groups
from ser_rt.losses import Loss
from ser_rt.model import EmotionModel
from ser_rt.training_windows import BalancedSampler, Draw
from ser_rt.weight_average import WeightAverage


class EmotionTrainer(transformers.Trainer):
    """transformers' Trainer, with our loss, our sampler and averaged weights."""

    def __init__(
        self,
        *args: Any,
        settings: TrainingConfig,
        loss: Loss,
        sampler: BalancedSampler,
        average: WeightAverage | None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self._settings, self._loss = settings, loss
        self._draws, self._average = sampler, average
        self._checkpoint: str | None = None
        self._first_step = False
        if average is not None:
            self.add_callback(average)
        self.remove_callback(transformers.ProgressCallback)
        self.add_callback(Progress())

    def _get_train_sampler(self, *_: object) -> Sampler[Draw]:
        return self._draws

    def create_optimizer(self) -> torch.optim.Optimizer:
        """Make the optimizer; where lower layers are to learn slower, with a rate for each."""
        if self.optimizer is None and self._settings.layer_decay < 1:
            kind, how = self.get_optimizer_cls_and_kwargs(self.args)
            decayed = self.get_decay_parameter_names(self.network)
            self.optimizer = kind(parameter_groups(self.network, self._settings, decayed), **how)
        optimizer: torch.optim.Optimizer = super().create_optimizer()
        return optimizer

    def compute_loss(
        self,
        model: nn.Module,
        inputs: Example,
        return_outputs: bool = False,  # noqa: FBT001, FBT002 (transformers' signature)
        num_items_in_batch: Tensor | None = None,  # noqa: ARG002
    ) -> Any:  # noqa: ANN401
        """Compute the loss that was asked for; in validation always the plain cross-entropy."""
        outputs = model(inputs["input_values"])
        measure = self._loss if model.training else nn.functional.cross_entropy
        loss = measure(outputs["logits"].float(), inputs["labels"])
        return (loss, outputs) if return_outputs else loss

    def evaluate(self, *args: Any, **kwargs: Any) -> dict[str, float]:
        """Evaluate the averaged weights, where there are any."""
        with ExitStack() as stack:
            if self._average is not None:
                stack.enter_context(self._average.applied_to(self.network))
            if self._checkpoint:
                stack.enter_context(torch.random.fork_rng(devices=[]))
            return super().evaluate(*args, **kwargs)

    # Workers live through all epochs. Starting them draws a random number, which a resumed run does
    # once more than one that was never stopped, in training and in validation.

    def _load_rng_state(self, checkpoint: str | None) -> None:
        super()._load_rng_state(checkpoint)
        if self.args.dataloader_num_workers:
            self._checkpoint, self._first_step = checkpoint, True

    def training_step(self, *args: Any, **kwargs: Any) -> Tensor:
        """Train on a batch."""
        if self._first_step:
            super()._load_rng_state(self._checkpoint)
            self._first_step = False
        return super().training_step(*args, **kwargs)

    @property
    def network(self) -> EmotionModel:
        """The network that is being trained."""
        return cast("EmotionModel", self.model)

    def keep_average(self) -> None:
        """Take the averaged weights of the best checkpoint, or the newest where none was chosen."""
        if self._average is not None:
            self._average.load_into(self.network, self.state.best_model_checkpoint)


class StopOnNan(transformers.TrainerCallback):
    """Stops training when the loss is no number any more."""

    def on_log(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ANN401, ARG002
        """Look at the loss of every log entry."""
        loss = kwargs["logs"].get("loss", 0.0)
        if not math.isfinite(loss):
            msg = (
                f"the loss became {loss} at step {state.global_step}: lower learning_rate, "
                "or switch fp16 off; earlier checkpoints are kept"
            )
            raise TrainingError(msg)


class Progress(transformers.ProgressCallback):
    """A progress bar, and a line for every log entry, both on standard error."""

    def on_log(
        self,
        args: Any,  # noqa: ANN401, ARG002 (transformers' signature)
        state: Any,  # noqa: ANN401
        control: Any,  # noqa: ANN401, ARG002
        logs: Any = None,  # noqa: ANN401
        **_: Any,
    ) -> None:
        """Write the figures above the bar."""
        bar: Any = self.training_bar
        figures = "  ".join(
            f"{_SHOWN[name]} {value:.3f}" for name, value in (logs or {}).items() if name in _SHOWN
        )
        if bar is not None and figures:
            bar.write(f"epoch {state.epoch:.0f}  {figures}", file=sys.stderr)


_SHOWN = {
    "loss": "loss",
    "eval_loss": "validation loss",
    "eval_accuracy": "accuracy",
    "eval_f1": "macro F1",
    "eval_uar": "UAR",
}


@contextmanager
def named_troubles(run: Path) -> Iterator[None]:
    """Say what to do when memory or the disk is full.

    Raises:
        TrainingError: one of them is.
    """
    memory = (
        "memory ran out: halve batch_size and double gradient_accumulation_steps, "
        "switch gradient_checkpointing on, or lower max_crop_s"
    )
    disk = "cannot write {}: {}; free space and go on with --resume, earlier checkpoints are kept"
    try:
        yield
    except SerError:
        raise
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise TrainingError(memory) from error
    except (OSError, SafetensorError) as error:
        raise TrainingError(disk.format(run, error)) from error
    except RuntimeError as error:
        # torch has no class of its own for these two.
        if "DefaultCPUAllocator" in str(error):
            raise TrainingError(memory) from error
        if "PytorchStreamWriter" in str(error) or "iostream" in str(error):
            raise TrainingError(disk.format(run, str(error).splitlines()[0])) from error
        raise
