"""Arguments of transformers' Trainer, and checks of settings against each other."""

from __future__ import annotations

import logging
import os
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import torch
import transformers
from accelerate import PartialState

from ser_rt.config import DataConfig, TrainingConfig
from ser_rt.errors import ConfigError, DataError
from ser_rt.files.names import printable
from ser_rt.files.writing import check_writable
from ser_rt.training.losses import create_loss
from ser_rt.training.trackers import refuse_missing

logger = logging.getLogger(__name__)


def refuse_contradictions(training: TrainingConfig, data: DataConfig) -> None:
    """Raise an error for settings that contradict each other or this machine."""
    if data.change_share and not training.every_hop:
        msg = "change_share needs answers at every hop: add every_hop (--every-hop)"
        raise ConfigError(msg)
    if data.min_crop_s > data.max_crop_s:
        msg = f"min_crop_s is {data.min_crop_s:g} s, longer than max_crop_s, {data.max_crop_s:g} s"
        raise ConfigError(msg)
    if training.fp16 and training.bf16:
        msg = "fp16 and bf16 are both on: choose one"
        raise ConfigError(msg)
    if training.fp16 and not torch.cuda.is_available():
        msg = "fp16 needs a GPU and there is none: leave it out, or use bf16"
        raise ConfigError(msg)
    run = training.output_dir
    if run != printable(run):
        msg = (
            f"output_dir {printable(run)} is not UTF-8 or has control characters, so checkpoints "
            "cannot be written into it: choose another"
        )
        raise ConfigError(msg)
    check_writable(Path(run, "run.json"))
    create_loss([1, 1], training)
    refuse_missing(training.report_to)


def join_processes() -> PartialState:
    """Join the processes that torchrun or accelerate started; without them, a group of one."""
    # The others wait while one decodes the corpus.
    processes = PartialState(cpu=_on_cpu(), timeout=timedelta(hours=12))
    if processes.num_processes > 1 and processes.device.type == "cpu":
        # accelerate names it cpu:0, transformers loads the optimizer to it, torch does not know it.
        torch.serialization.register_package(
            0, lambda _: None, lambda storage, place: storage if place == "cpu:0" else None
        )
    return processes


def fit_batch_size(training: TrainingConfig, clips: int, processes: int) -> TrainingConfig:
    """Return the settings, with a smaller batch where there are fewer clips than a batch holds.

    Raises:
        DataError: there are not even two clips for each process.
    """
    if clips >= training.batch_size * processes:
        return training
    batch_size = clips // processes
    if batch_size < 2:  # batch normalisation needs two
        msg = f"{clips} clips are too few to train on with {processes} processes: add clips"
        raise DataError(msg)
    of_each = f" for each of {processes} processes" if processes > 1 else ""
    logger.warning(
        "%d clips to train on are less than a batch of %d%s: batch_size is lowered to %d",
        clips,
        training.batch_size,
        of_each,
        batch_size,
    )
    return replace(training, batch_size=batch_size)


def _on_cpu() -> bool:
    chosen = os.environ.get("ACCELERATE_USE_CPU", "").lower() in {"1", "true", "yes"}
    return chosen or not torch.accelerator.is_available()


def training_arguments(
    t: TrainingConfig, d: DataConfig, *, validate: bool
) -> transformers.TrainingArguments:
    """Return the arguments of transformers' Trainer, for one GPU: torchrun has one for each."""
    arguments = transformers.TrainingArguments(
        output_dir=t.output_dir,
        num_train_epochs=t.num_epochs,
        per_device_train_batch_size=t.batch_size,
        per_device_eval_batch_size=1,  # whole clips differ in length, and nothing is padded
        gradient_accumulation_steps=t.gradient_accumulation_steps,
        learning_rate=t.learning_rate,
        warmup_steps=t.warmup_steps,
        lr_scheduler_type="cosine",
        weight_decay=t.weight_decay,
        max_grad_norm=2.0,
        use_cpu=_on_cpu(),  # otherwise it allows bf16 on a GPU alone
        fp16=t.fp16,
        bf16=t.bf16,
        eval_strategy="epoch" if validate else "no",
        save_strategy="epoch",
        load_best_model_at_end=validate,
        metric_for_best_model=t.best_metric if validate else None,
        greater_is_better=True if validate else None,
        restore_callback_states_from_checkpoint=True,
        logging_strategy="epoch",
        logging_nan_inf_filter=False,
        report_to=t.report_to,
        remove_unused_columns=False,
        label_names=["labels"],
        dataloader_num_workers=d.num_workers,
        dataloader_persistent_workers=d.num_workers > 0,
        dataloader_pin_memory=torch.cuda.is_available(),
        ddp_find_unused_parameters=False,
        seed=t.seed,
    )
    if (found := arguments.n_gpu) > 1:  # else each batch is divided among them, and is larger
        logger.info("training on 1 of %d GPUs: torchrun takes all (docs/training.md)", found)
        arguments._n_gpu = 1  # noqa: SLF001 (there is no argument for it)
    return arguments
