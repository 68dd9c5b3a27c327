"""Fine-tunes a network on labelled clips, on transformers' Trainer.

One path for every architecture: balanced windows, averaged weights where asked for, checkpoints
to resume from, and a run folder that says how it came about.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
import transformers
from torch import Tensor, nn
from torch.utils.data import Dataset, Sampler
from transformers.trainer_utils import get_last_checkpoint

from ser_rt import config as settings
from ser_rt.checkpoint import save_checkpoint
from ser_rt.config import DataConfig, ModelConfig, TrainingConfig
from ser_rt.corpus import Clip, hold_out_speakers, shared_speakers
from ser_rt.data_loader import BalancedSampler, Draw, Example, SpeechEmotionDataset, collate
from ser_rt.errors import DataError, TrainingError
from ser_rt.metrics import fit_temperature, macro_f1, unweighted_average_recall
from ser_rt.model import EmotionModel
from ser_rt.provenance import describe_run
from ser_rt.weight_average import WeightAverage

History = dict[str, list[float]]


class EmotionTrainer(transformers.Trainer):
    """transformers' Trainer, with our loss, our sampler and averaged weights."""

    def __init__(
        self, *args: Any, sampler: BalancedSampler, average: WeightAverage | None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self._draws, self._average = sampler, average
        if average is not None:
            self.add_callback(average)

    def _get_train_sampler(self, *_: object) -> Sampler[Draw]:
        return self._draws

    def compute_loss(
        self,
        model: nn.Module,
        inputs: Example,
        return_outputs: bool = False,  # noqa: FBT001, FBT002 (transformers' signature)
        num_items_in_batch: Tensor | None = None,  # noqa: ARG002
    ) -> Any:  # noqa: ANN401
        """Cross-entropy with label smoothing."""
        outputs = model(inputs["input_values"])
        loss = nn.functional.cross_entropy(
            outputs["logits"].float(),
            inputs["labels"],
            label_smoothing=self.args.label_smoothing_factor if model.training else 0.0,
        )
        return (loss, outputs) if return_outputs else loss

    def evaluate(self, *args: Any, **kwargs: Any) -> dict[str, float]:
        """Evaluate the averaged weights, where there are any."""
        if self._average is None:
            return super().evaluate(*args, **kwargs)
        with self._average.applied_to(self.network):
            return super().evaluate(*args, **kwargs)

    @property
    def network(self) -> EmotionModel:
        """The network that is being trained."""
        return cast("EmotionModel", self.model)

    def keep_average(self) -> None:
        """Take the averaged weights of the best checkpoint, or the newest where none was chosen."""
        if self._average is not None:
            self._average.load_into(self.network, self.state.best_model_checkpoint)


class _StopOnNan(transformers.TrainerCallback):
    def on_log(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ANN401, ARG002
        loss = kwargs["logs"].get("loss", 0.0)
        if not math.isfinite(loss):
            msg = (
                f"the loss became {loss} at step {state.global_step}: lower learning_rate, "
                "or switch fp16 off; earlier checkpoints are kept"
            )
            raise TrainingError(msg)


class SpeechEmotionTrainer:
    """Trains one network into one run folder."""

    def __init__(
        self, model_config: ModelConfig, training_config: TrainingConfig, data_config: DataConfig
    ) -> None:
        self.model_config = model_config
        self.training_config = training_config
        self.data_config = data_config

    def train(
        self,
        train_data: tuple[Sequence[str | Path], Sequence[str]] | Sequence[Clip],
        val_data: tuple[Sequence[str | Path], Sequence[str]] | Sequence[Clip] | None = None,
        *,
        resume: bool = False,
    ) -> History:
        """Train, write the run folder, and return the history that `plot_training_history` draws.

        Without `val_data`, `data_config.val_share` of the speakers are held out; with a share of
        0 everything is trained on and the last weights are kept.

        Raises:
            DataError: a clip is unfit, or a speaker is on both sides of the split.
            TrainingError: the folder holds a run already, the loss is no number, or memory ran out.
        """
        run = Path(self.training_config.output_dir)
        last = get_last_checkpoint(str(run)) if run.is_dir() else None
        if run.is_dir() and any(run.iterdir()) and not resume:
            msg = f"{run} is not empty: resume that run, or choose another output folder"
            raise TrainingError(msg)
        train_clips, val_clips = self._split(_clips(train_data), val_data)
        transformers.set_seed(self.training_config.seed)
        model = EmotionModel(self.model_config)
        trainer = self._trainer(model, train_clips, val_clips, run)
        try:
            trainer.train(resume_from_checkpoint=last)
        except torch.OutOfMemoryError as error:
            msg = (
                "memory ran out: halve batch_size and double gradient_accumulation_steps, "
                "or lower max_crop_s"
            )
            raise TrainingError(msg) from error
        trainer.keep_average()
        temperature = self._calibrate(trainer) if val_clips else 1.0
        steps = trainer.state.global_step
        training = describe_run(
            self.training_config, self.data_config, train_clips, val_clips, steps
        )
        save_checkpoint(trainer.network, run, temperature=temperature, training=training)
        return _history(trainer.state.log_history)

    def _split(
        self,
        clips: Sequence[Clip],
        val_data: Any,  # noqa: ANN401 (as `train`)
    ) -> tuple[Sequence[Clip], Sequence[Clip]]:
        if val_data is not None:
            held = _clips(val_data)
        elif self.data_config.val_share:
            share, seed = self.data_config.val_share, self.training_config.seed
            clips, held = hold_out_speakers(clips, share, seed)
        else:
            held = []
        if shared := shared_speakers(clips, held):
            msg = f"speakers {shared} are in training and validation: split by speaker"
            raise DataError(msg)
        return clips, held

    def _trainer(
        self, model: EmotionModel, train: Sequence[Clip], val: Sequence[Clip], run: Path
    ) -> EmotionTrainer:
        t, d = self.training_config, self.data_config
        names = self.model_config.emotion_labels
        sampler = BalancedSampler(
            [(clip.dataset, names.index(clip.emotion)) for clip in train],
            batch_size=t.batch_size,
            crop_s=(d.min_crop_s, min(d.max_crop_s, self.model_config.max_duration)),
            balance=t.balance,
            seed=t.seed,
        )
        arguments = transformers.TrainingArguments(
            output_dir=str(run),
            num_train_epochs=t.num_epochs,
            per_device_train_batch_size=t.batch_size,
            per_device_eval_batch_size=1,  # whole clips differ in length, and nothing is padded
            gradient_accumulation_steps=t.gradient_accumulation_steps,
            learning_rate=t.learning_rate,
            warmup_steps=t.warmup_steps,
            lr_scheduler_type="cosine",
            weight_decay=t.weight_decay,
            max_grad_norm=2.0,
            label_smoothing_factor=t.label_smoothing,
            fp16=t.fp16,
            bf16=t.bf16,
            eval_strategy="epoch" if val else "no",
            save_strategy="epoch",
            save_total_limit=2,
            load_best_model_at_end=bool(val),
            metric_for_best_model="uar" if val else None,
            greater_is_better=True if val else None,
            logging_strategy="epoch",
            logging_nan_inf_filter=False,
            report_to="tensorboard",
            remove_unused_columns=False,
            label_names=["labels"],
            dataloader_num_workers=d.num_workers,
            dataloader_persistent_workers=d.num_workers > 0,
            dataloader_drop_last=True,
            dataloader_pin_memory=torch.cuda.is_available(),
            seed=t.seed,
        )
        callbacks: list[transformers.TrainerCallback] = [_StopOnNan()]
        if val:
            callbacks.append(
                transformers.EarlyStoppingCallback(
                    t.early_stopping_patience, t.early_stopping_threshold
                )
            )
        return EmotionTrainer(
            model=model,
            args=arguments,
            data_collator=collate,
            train_dataset=self._dataset(train, is_training=d.data_augmentation),
            eval_dataset=self._dataset(val, is_training=False) if val else None,
            compute_metrics=_measure,
            callbacks=callbacks,
            sampler=sampler,
            average=WeightAverage(t.ema_decay) if t.ema_decay else None,
        )

    def _dataset(self, clips: Sequence[Clip], *, is_training: bool) -> SpeechEmotionDataset:
        return SpeechEmotionDataset(
            [clip.path for clip in clips],
            [clip.emotion for clip in clips],
            is_training=is_training,
            emotion_labels=self.model_config.emotion_labels,
            max_duration_s=self.model_config.max_duration,
        )

    @staticmethod
    def _calibrate(trainer: EmotionTrainer) -> float:
        prediction = trainer.predict(cast("Dataset[Example]", trainer.eval_dataset))
        return fit_temperature(np.asarray(prediction.label_ids), _logits(prediction.predictions))


def _clips(data: Any) -> Sequence[Clip]:  # noqa: ANN401 (clips, or paths and labels)
    if isinstance(data, tuple) and len(data) == 2 and not isinstance(data[0], Clip):
        return [Clip(Path(path), label) for path, label in zip(*data, strict=True)]
    return data  # type: ignore[no-any-return]


def _logits(predictions: Any) -> Any:  # noqa: ANN401 (arrays in transformers' wrapping)
    return predictions[0] if isinstance(predictions, tuple) else predictions


def _measure(prediction: transformers.EvalPrediction) -> dict[str, float]:
    logits = _logits(prediction.predictions)
    true, predicted = np.asarray(prediction.label_ids), logits.argmax(axis=1)
    count = logits.shape[1]
    return {
        "accuracy": float((true == predicted).mean()),
        "uar": unweighted_average_recall(true, predicted, count),
        "f1": macro_f1(true, predicted, count),
    }


def _history(log: list[dict[str, float]]) -> History:
    names = {
        "loss": "train_loss",
        "eval_loss": "val_loss",
        "eval_accuracy": "val_accuracy",
        "eval_f1": "val_f1",
        "eval_uar": "val_uar",
    }
    return {
        name: [entry[key] for entry in log if key in entry]
        for key, name in names.items()
        if any(key in entry for entry in log)
    }


def create_trainer(
    model_config: ModelConfig | None = None,
    training_config: TrainingConfig | None = None,
    data_config: DataConfig | None = None,
) -> SpeechEmotionTrainer:
    """Make a trainer from settings, by default the module-level ones of `ser_rt.config`."""
    return SpeechEmotionTrainer(
        model_config or settings.model_config,
        training_config or settings.training_config,
        data_config or settings.data_config,
    )
