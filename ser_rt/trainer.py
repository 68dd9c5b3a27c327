"""Fine-tunes a network on labelled clips, on transformers' Trainer.

One path for every architecture: clips that were looked at, balanced windows, averaged weights where
asked for, checkpoints to resume from, and a run folder that says how it came about.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import transformers
from torch.utils.data import Dataset

from ser_rt import config as settings
from ser_rt.config import DataConfig, ModelConfig, TrainingConfig
from ser_rt.errors import DataError
from ser_rt.evaluation.metrics import fit_temperature
from ser_rt.networks.checkpoint import save_checkpoint
from ser_rt.networks.model import EmotionModel, create_model
from ser_rt.training import run_folder
from ser_rt.training.arguments import arguments, join_processes, refuse_contradictions
from ser_rt.training.data.augmentation import Augmenter
from ser_rt.training.data.corpus import Clip, hold_out_speakers
from ser_rt.training.data.dataset import Example, SpeechEmotionDataset, label_of
from ser_rt.training.data.sampler import BalancedSampler
from ser_rt.training.data.validation import (
    CheckedClips,
    check_clips,
    find_leaks,
    refuse_empty_classes,
    refuse_leaks,
)
from ser_rt.training.ema import WeightAverage
from ser_rt.training.fine_tuning import merge_adapters, prepare
from ser_rt.training.loop import EmotionTrainer, named_troubles
from ser_rt.training.losses import create_loss
from ser_rt.training.metrics import History, history_of, logits_of, measure
from ser_rt.training.trackers import tracked

ClipsOrColumns = tuple[Sequence[str | Path], Sequence[str]] | Sequence[Clip]


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
        train_data: ClipsOrColumns,
        val_data: ClipsOrColumns | None = None,
        *,
        resume: bool = False,
    ) -> History:
        """Train, write the run folder, and return the history that `plot_training_history` draws.

        Without `val_data`, `data_config.val_share` of the speakers are held out; with a share of
        0 everything is trained on and the last weights are kept.

        Raises:
            CheckpointError: `model_config.model_name` is no checkpoint to start from.
            ConfigError: settings contradict each other or the machine.
            DataError: clips are unfit, an emotion has none, or training and validation share
                speakers, sentences or audio.
            TrainingError: the folder holds a run already, the loss is no number, or memory or the
                disk is full.
        """
        refuse_contradictions(self.training_config)
        run = Path(self.training_config.output_dir)
        transformers.set_seed(self.training_config.seed)
        model = create_model(
            replace(self.model_config)
        )  # before hours of decoding: it may be unfit
        given, held = _clips(train_data), [] if val_data is None else _clips(val_data)
        labels = self.model_config.emotion_labels
        processes = join_processes()
        with processes.local_main_process_first():  # it decodes for all
            checked = check_clips([*given, *held], labels, skip_bad=self.data_config.skip_bad)
        train, val = self._split(
            checked, {clip.path for clip in held}, batches=processes.num_processes
        )
        everything = run_folder.settings_of(
            self.model_config,
            self.training_config,
            self.data_config,
            _fingerprint(train, val),
            processes=processes.num_processes,
        )
        how = arguments(self.training_config, self.data_config, run, validate=bool(val.clips))
        with named_troubles(run):
            prepare(model, self.training_config)
            with how.main_process_first():  # the others find what the first has begun
                later = how.process_index > 0
                last = run_folder.open_run(run, everything, resume=resume or later)
                if not later:
                    split = {"train": train.clips, "val": val.clips}
                    run_folder.describe(run, everything, split, checked.faults)
            trainer = self._trainer(model, how, train, val)
            if how.process_index:  # or the same would drop out of every process
                transformers.set_seed(self.training_config.seed + how.process_index)
            with tracked(self.training_config.report_to, run):
                trainer.train(resume_from_checkpoint=last)
                trainer.keep_average()
                merge_adapters(trainer.network)
                temperature = self._calibrate(trainer) if val.clips else 1.0
            history = history_of(trainer.state.log_history)
            if trainer.is_world_process_zero():
                training = run_folder.describe_run(
                    self.training_config,
                    self.data_config,
                    train.clips,
                    val.clips,
                    trainer.state.global_step,
                )
                save_checkpoint(trainer.network, run, temperature=temperature, training=training)
                text = json.dumps(history, indent=2) + "\n"
                run_folder.write_text(run / run_folder.HISTORY, text)
        return history

    def _split(
        self, checked: CheckedClips, held_paths: set[Path], *, batches: int
    ) -> tuple[CheckedClips, CheckedClips]:
        clips = [clip for clip in checked.clips if clip.path not in held_paths]
        held = [clip for clip in checked.clips if clip.path in held_paths]
        if not held and self.data_config.val_share:
            share, seed = self.data_config.val_share, self.training_config.seed
            clips, held = hold_out_speakers(clips, share, seed)
        if len(clips) < self.training_config.batch_size * batches:
            of_each = f" for each of {batches} processes" if batches > 1 else ""
            msg = f"{len(clips)} clips to train on are less than a batch{of_each}: lower batch_size"
            raise DataError(msg)
        train, val = checked.part(clips), checked.part(held)
        refuse_empty_classes(clips, self.model_config.emotion_labels)
        refuse_leaks(find_leaks(train, val), self.data_config.allow_leaks)
        return train, val

    def _trainer(
        self,
        model: EmotionModel,
        how: transformers.TrainingArguments,
        train: CheckedClips,
        val: CheckedClips,
    ) -> EmotionTrainer:
        t, d = self.training_config, self.data_config
        names = self.model_config.emotion_labels
        emotions = [clip.emotion for clip in train.clips]
        sampler = BalancedSampler(
            [(clip.dataset, names.index(clip.emotion)) for clip in train.clips],
            batch_size=how.train_batch_size,
            crop_s=(d.min_crop_s, min(d.max_crop_s, self.model_config.max_duration)),
            balance=t.balance,
            seed=t.seed,
        )
        patience = transformers.EarlyStoppingCallback(
            t.early_stopping_patience, t.early_stopping_threshold
        )
        return EmotionTrainer(
            model=model,
            args=how,
            train_dataset=self._dataset(train, is_training=True),
            eval_dataset=self._dataset(val, is_training=False) if val.clips else None,
            compute_metrics=measure,
            callbacks=[patience] if val.clips else [],
            settings=t,
            loss=create_loss([emotions.count(name) for name in names], t),
            sampler=sampler,
            average=WeightAverage(t.ema_decay) if t.ema_decay else None,
        )

    def _dataset(self, part: CheckedClips, *, is_training: bool) -> SpeechEmotionDataset:
        return SpeechEmotionDataset(
            [clip.path for clip in part.clips],
            [label_of(clip) if is_training else clip.emotion for clip in part.clips],
            is_training=is_training and self.data_config.data_augmentation,
            emotion_labels=self.model_config.emotion_labels,
            max_duration_s=self.model_config.max_duration,
            audio=part.audio,
            clean=is_training and self.data_config.apply_noise_reduction,
            trim=is_training and self.data_config.trim_silence,
            augmenter=Augmenter.from_settings(self.data_config) if is_training else None,
        )

    @staticmethod
    def _calibrate(trainer: EmotionTrainer) -> float:
        clips = cast("Dataset[Example]", trainer.eval_dataset)
        prediction = trainer.predict(clips, metric_key_prefix="best")
        return fit_temperature(np.asarray(prediction.label_ids), logits_of(prediction.predictions))


def _fingerprint(*parts: CheckedClips) -> str:
    digest = hashlib.sha256()
    for part in parts:
        for clip, heard in zip(part.clips, part.audio.digests, strict=True):
            digest.update(f"{heard} {clip.emotion} {clip.soft_label} {clip.dataset}\n".encode())
        digest.update(b"\n")
    return digest.hexdigest()[:16]


def _clips(data: Any) -> Sequence[Clip]:
    if isinstance(data, tuple) and len(data) == 2 and not isinstance(data[0], Clip):
        return [Clip(Path(path), label) for path, label in zip(*data, strict=True)]
    return data  # type: ignore[no-any-return]


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
