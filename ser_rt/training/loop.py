"""transformers' Trainer with our loss, our windows and averaged weights."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, cast

import torch
import transformers
from accelerate.utils import broadcast
from safetensors import SafetensorError
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, Sampler

from ser_rt.config import TrainingConfig
from ser_rt.errors import SerError, TrainingError
from ser_rt.networks.model import EmotionModel
from ser_rt.training.checkpointing import Checkpoints, LossSoFar
from ser_rt.training.data.dataset import Example, collate
from ser_rt.training.data.sampler import BalancedSampler
from ser_rt.training.ema import WeightAverage
from ser_rt.training.fine_tuning import has_own_rates, parameter_groups
from ser_rt.training.losses import Loss


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
        self._loss_so_far = LossSoFar()
        self._eval_loader: DataLoader[Example] | None = None
        if average is not None:
            self.add_callback(average)
        self.add_callback(Checkpoints(settings.save_steps, self._loss_so_far))
        self.remove_callback(transformers.ProgressCallback)
        self.add_callback(Progress())

    def get_train_dataloader(self) -> DataLoader[Example]:
        """Load the windows that the sampler draws; each process takes every so many-th batch."""
        return self._loader(self.train_dataset, self.args.train_batch_size, self._draws)

    def get_eval_dataloader(self, eval_dataset: Any = None) -> DataLoader[Example]:
        """Load whole clips one by one: they differ in length, and nothing is padded."""
        if eval_dataset not in (None, self.eval_dataset):
            return self._loader(eval_dataset, 1)
        if self._eval_loader is None:
            self._eval_loader = self._loader(self.eval_dataset, 1)
        return self._eval_loader

    def get_test_dataloader(self, test_dataset: Any) -> DataLoader[Example]:
        """Load clips as for validation."""
        return self.get_eval_dataloader(test_dataset)

    def _loader(
        self,
        clips: object,
        batch_size: int,
        sampler: Sampler[Any] | None = None,
    ) -> DataLoader[Example]:
        loader: DataLoader[Example] = DataLoader(
            cast("Dataset[Example]", clips),
            batch_size=batch_size,
            sampler=sampler,
            drop_last=sampler is not None,
            collate_fn=collate,
            num_workers=self.args.dataloader_num_workers,
            persistent_workers=self.args.dataloader_persistent_workers,
            pin_memory=self.args.dataloader_pin_memory,
            # Starting workers draws a random number, which a resumed run does once more than one
            # that was never stopped: it is not drawn from the generator that dropout draws from.
            generator=torch.Generator(),
        )
        prepared: DataLoader[Example] = self.accelerator.prepare(loader)
        return prepared

    def create_optimizer(self) -> torch.optim.Optimizer:
        """Make the optimizer; where lower layers are to learn slower, with a rate for each."""
        if self.optimizer is None and has_own_rates(self._settings):
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
    ) -> Any:
        """Compute the loss that was asked for; in validation always the plain cross-entropy."""
        outputs = model(inputs["input_values"])
        measure = self._loss if model.training else nn.functional.cross_entropy
        loss = measure(outputs["logits"].float(), inputs["labels"])
        return (loss, outputs) if return_outputs else loss

    def evaluate(self, *args: Any, **kwargs: Any) -> dict[str, float]:
        """Evaluate the averaged weights, where there are any."""
        with self._average.applied_to(self.network) if self._average else nullcontext():
            for statistic in self.network.buffers():  # each process has seen its own batches
                broadcast(statistic)
            return super().evaluate(*args, **kwargs)

    def training_step(self, *args: Any, **kwargs: Any) -> Tensor:
        """Train on a batch; its loss is the mean over all processes."""
        loss: Tensor = self.accelerator.reduce(super().training_step(*args, **kwargs), "mean")
        self._loss_so_far.total += self._finite(loss.item())
        return loss

    def log(self, logs: dict[str, float], *args: Any, **kwargs: Any) -> None:
        """Log figures; the loss is that of the whole epoch, also where a part was resumed."""
        if "loss" in logs:
            logs["loss"] = round(self._loss_so_far.mean_until(self.state.global_step), 6)
        self._finite(logs.get("eval_loss", 0.0))
        super().log(logs, *args, **kwargs)

    def _finite(self, loss: float) -> float:
        if not math.isfinite(loss):
            msg = (
                f"the loss became {loss} at step {self.state.global_step}: lower learning_rate, "
                "or switch fp16 off; earlier checkpoints are kept"
            )
            raise TrainingError(msg)
        return loss

    @property
    def network(self) -> EmotionModel:
        """The network that is being trained."""
        return cast("EmotionModel", self.model)

    def keep_average(self) -> None:
        """Take the averaged weights of the best checkpoint, or the newest where none was chosen."""
        if self._average is not None:
            self._average.load_into(self.network, self.state.best_model_checkpoint)


class Progress(transformers.ProgressCallback):
    """A progress bar, and a line for every log entry, both on standard error."""

    def on_log(
        self,
        args: Any,  # noqa: ARG002 (transformers' signature)
        state: Any,
        control: Any,  # noqa: ARG002
        logs: Any = None,
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


_WRITERS = ("PytorchStreamWriter", "iostream", "inline_container")


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
        if any(part in str(error) for part in _WRITERS):
            raise TrainingError(disk.format(run, str(error).splitlines()[0])) from error
        raise
