"""`EmotionTrainer`: transformers' Trainer with our losses, our sampler and averaged weights."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
import transformers
from accelerate.utils import broadcast
from safetensors import SafetensorError
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, Sampler

from ser_rt.config import TrainingConfig
from ser_rt.errors import OutputError, SerError, TrainingError
from ser_rt.evaluation.metrics import fit_temperature
from ser_rt.networks.model import EmotionModel
from ser_rt.training.checkpointing import Checkpoints, LossSoFar
from ser_rt.training.data.dataset import Example, collate
from ser_rt.training.data.sampler import BalancedSampler
from ser_rt.training.distillation import Distillation
from ser_rt.training.ema import WeightAverage
from ser_rt.training.fine_tuning import has_own_rates, parameter_groups
from ser_rt.training.hops import answers_of, known
from ser_rt.training.losses import Loss, discordance
from ser_rt.training.metrics import logits_of
from ser_rt.training.progress import TrainingProgress


class EmotionTrainer(transformers.Trainer):
    """Trains on windows that the sampler draws, and validates the averaged weights."""

    def __init__(
        self,
        *args: Any,
        settings: TrainingConfig,
        loss: Loss,
        sampler: BalancedSampler,
        average: WeightAverage | None,
        distillation: Distillation | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self._settings, self._loss = settings, loss
        self._draws, self._average, self._distillation = sampler, average, distillation
        self._loss_so_far, self._progress = LossSoFar(), TrainingProgress()
        self._eval_loader: DataLoader[Example] | None = None
        if average is not None:
            self.add_callback(average)
        self.add_callback(Checkpoints(settings.save_steps, self._loss_so_far))
        self.remove_callback(transformers.ProgressCallback)
        self.add_callback(self._progress)

    def train(self, *args: Any, **kwargs: Any) -> Any:
        """Train, with a progress bar for as long as it takes."""
        with self._progress.bar:
            return super().train(*args, **kwargs)

    def get_train_dataloader(self) -> DataLoader[Example]:
        """Return the windows that the sampler draws; batches are dealt out to the processes."""
        return self._loader(self.train_dataset, self.args.train_batch_size, self._draws)

    def get_eval_dataloader(self, eval_dataset: Any = None) -> DataLoader[Example]:
        """Return whole clips one by one: they differ in length, and nothing is padded."""
        if eval_dataset not in (None, self.eval_dataset):
            return self._loader(eval_dataset, 1)
        if self._eval_loader is None:
            self._eval_loader = self._loader(self.eval_dataset, 1)
        return self._eval_loader

    def get_test_dataloader(self, test_dataset: Any) -> DataLoader[Example]:
        """Return clips as for validation."""
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
            # Starting workers draws a random number, and a resumed run does so once more often than
            # one that was never stopped: it must not be the generator that dropout draws from.
            generator=torch.Generator(),
        )
        prepared: DataLoader[Example] = self.accelerator.prepare(loader)
        return prepared

    def create_optimizer(self) -> torch.optim.Optimizer:
        """Return the optimizer; where layers have rates of their own, with one for each."""
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
        num_items_in_batch: Tensor | None = None,  # noqa: ARG002 (its signature)
    ) -> Any:
        """Return the configured loss; in validation always the plain cross-entropy."""
        outputs = model(inputs["input_values"])
        if model.training and self._distillation:
            loss = self._distillation.loss(outputs, inputs, self._loss)
            loss = loss + self._discordance(outputs, inputs)
            return (loss, outputs) if return_outputs else loss
        measure = self._loss if model.training else nn.functional.cross_entropy
        logits, labels = answers_of(outputs, inputs)
        there = known(labels)
        loss = measure(logits[there], labels[there]) if there.any() else logits.sum() * 0
        if model.training:
            loss = loss + self._discordance(outputs, inputs)
        return (loss, outputs) if return_outputs else loss

    def _discordance(self, outputs: Any, inputs: Example) -> Any:
        """Return the weighted loss of dimensions; 0 of a network without any."""
        if "dimensions" not in outputs:
            return 0.0
        return self._settings.dimension_weight * discordance(
            outputs["dimensions"], inputs["ratings"]
        )

    def evaluate(self, *args: Any, **kwargs: Any) -> dict[str, float]:
        """Evaluate the averaged weights if there are any, else the current ones."""
        with self._average.applied_to(self.network) if self._average else nullcontext():
            for statistic in self.network.buffers():  # every process has those of its own batches
                broadcast(statistic)
            return super().evaluate(*args, **kwargs)

    def training_step(self, *args: Any, **kwargs: Any) -> Tensor:
        """Train on a batch; return its loss, the mean over all processes."""
        loss: Tensor = self.accelerator.reduce(super().training_step(*args, **kwargs), "mean")
        self._loss_so_far.total += self._finite(loss.item())
        return loss

    def log(self, logs: dict[str, float], *args: Any, **kwargs: Any) -> None:
        """Log metrics; the loss is that of the whole epoch, even of one resumed half-way."""
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

    def fit_temperature(self) -> float:
        """Return the temperature that calibrates the network on the validation clips."""
        clips = cast("Dataset[Example]", self.eval_dataset)
        prediction = self.predict(clips, metric_key_prefix="best")
        return fit_temperature(np.asarray(prediction.label_ids), logits_of(prediction.predictions))

    def keep_average(self) -> None:
        """Load the averaged weights of the best checkpoint, or the newest ones without one."""
        if self._average is not None:
            self._average.load_into(self.network, self.state.best_model_checkpoint)


_WRITERS = ("PytorchStreamWriter", "iostream", "inline_container")


_MEMORY = (
    "memory ran out: halve batch_size and double gradient_accumulation_steps, "
    "switch gradient_checkpointing on, or lower max_crop_s"
)
_DISK = "cannot write {}: {}; free space and continue with --resume, earlier checkpoints are kept"


@contextmanager
def translated_errors(run: Path) -> Iterator[None]:
    """Translate the libraries' errors of full memory and full disks into one with advice.

    Raises:
        TrainingError: one of them is.
    """
    try:
        yield
    except OutputError as error:
        raise TrainingError(_DISK.format(run, error)) from error
    except SerError:
        raise
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise TrainingError(_MEMORY) from error
    except (OSError, SafetensorError) as error:
        raise TrainingError(_DISK.format(run, error)) from error
    except RuntimeError as error:
        # torch has no class of its own for these two.
        if "DefaultCPUAllocator" in str(error):
            raise TrainingError(_MEMORY) from error
        if any(part in str(error) for part in _WRITERS):
            raise TrainingError(_DISK.format(run, str(error).splitlines()[0])) from error
        raise
