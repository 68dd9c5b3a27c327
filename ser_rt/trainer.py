"""`SpeechEmotionTrainer`: fine-tunes a network on labelled clips, with transformers' Trainer.

One path for every architecture: checked clips, balanced windows, averaged weights if configured,
checkpoints to resume from, and a run folder with everything that the run was made from.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers

from ser_rt import config
from ser_rt.audio.processing import trim_silence
from ser_rt.config import DataConfig, ModelConfig, TrainingConfig
from ser_rt.constants import SAMPLE_RATE
from ser_rt.errors import ConfigError
from ser_rt.files.writing import write_json
from ser_rt.networks.checkpoint import save_checkpoint
from ser_rt.networks.creation import create_model
from ser_rt.networks.folding import settle_norms
from ser_rt.networks.model import EmotionModel
from ser_rt.networks.start import find_start
from ser_rt.training import run_folder
from ser_rt.training.arguments import (
    fit_batch_size,
    join_processes,
    refuse_contradictions,
    training_arguments,
)
from ser_rt.training.data.answers import Answers
from ser_rt.training.data.augmentation import Augmenter
from ser_rt.training.data.changes import Followers
from ser_rt.training.data.corpus import Clip
from ser_rt.training.data.dataset import SpeechEmotionDataset, label_of, ratings_of
from ser_rt.training.data.prepare import Prepared, prepare
from ser_rt.training.data.sampler import BalancedSampler
from ser_rt.training.data.validation import DecodedClips
from ser_rt.training.distillation import Distillation
from ser_rt.training.ema import WeightAverage
from ser_rt.training.fine_tuning import merge_adapters, prepare_network
from ser_rt.training.loop import EmotionTrainer, translated_errors
from ser_rt.training.losses import create_loss
from ser_rt.training.metrics import History, history_of, measure
from ser_rt.training.remarks import WarmUpCheck, remarks_of
from ser_rt.training.teacher import Teacher
from ser_rt.training.trackers import tracked

_CLIPS_TO_SETTLE = 100
"""From so many the statistics of norms are measured that a graph does not have."""

ClipsOrColumns = tuple[Sequence[str | Path], Sequence[str]] | Sequence[Clip]


class SpeechEmotionTrainer:
    """Trains one network into one run folder."""

    def __init__(
        self, model_config: ModelConfig, training_config: TrainingConfig, data_config: DataConfig
    ) -> None:
        self.model_config = model_config
        self.training_config = training_config
        self.data_config = data_config
        self.remarks: list[str] = []
        """What the last training should not have ended without saying."""

    def train(
        self,
        train_data: ClipsOrColumns,
        val_data: ClipsOrColumns | None = None,
        *,
        resume: bool = False,
    ) -> History:
        """Train, write the run folder, and return the history that `plot_training_history` draws.

        Without `val_data`, `data_config.val_share` of the speakers are held out; with a share of
        0 all clips are trained on and the last weights are kept.

        Raises:
            BundleError: `model_config.model_name` is a bundle, and invalid.
            CheckpointError: `model_config.model_name` is no checkpoint to start from.
            ConfigError: settings contradict each other or the machine.
            DataError: clips are unfit, an emotion has none, or training and validation share
                speakers, sentences or audio.
            TrainingError: the folder holds a run already, the loss is no number, or memory or the
                disk is full.
        """
        refuse_contradictions(self.training_config, self.data_config)
        run, seed = Path(self.training_config.output_dir), self.training_config.seed
        transformers.set_seed(seed)
        # Decoding may take hours, so an unfit network is found before.
        start = find_start(self.model_config.model_name)
        model = create_model(replace(self.model_config))
        teacher = self._open_teacher()

        processes = join_processes()
        if teacher:
            teacher.to(processes.device)
        with processes.local_main_process_first():  # it decodes for the others
            clips = prepare(
                _clips(train_data),
                _clips(val_data or ()),
                self.model_config.emotion_labels,
                self.data_config,
                seed=seed,
                has_teacher=teacher is not None,
                known_speakers=start.speakers if start else (),
            )
            answers = teacher.run(clips.train, self.data_config) if teacher else None
        training = fit_batch_size(self.training_config, len(clips.train), processes.num_processes)
        settings = run_folder.settings_of(
            self.model_config,
            training,
            self.data_config,
            clips=clips.fingerprint,
            processes=processes.num_processes,
            teacher_sha256=teacher.sha256 if teacher else "",
            start_sha256=start.sha256 if start else "",
        )
        arguments = training_arguments(training, self.data_config, validate=bool(clips.validation))

        with translated_errors(run):
            if model.unsettled:
                settle_norms(model, model.unsettled, self._some_speech(clips.train))
            prepare_network(model, training)
            distillation = Distillation(teacher, training) if teacher else None
            if distillation:
                distillation.prepare(model)
            with arguments.main_process_first():  # the others find what it has written
                is_first = arguments.process_index == 0
                checkpoint = run_folder.open_run(run, settings, resume=resume or not is_first)
                if is_first:
                    run_folder.describe(run, settings, clips)
            trainer = self._trainer(model, training, arguments, clips, answers, distillation)
            if not is_first:  # or dropout would be the same in every process
                transformers.set_seed(seed + arguments.process_index)
            with tracked(training.report_to, run):
                trainer.train(resume_from_checkpoint=checkpoint)
                trainer.keep_average()
                trainer.network.imitation = None  # it has done its work
                merge_adapters(trainer.network)
                temperature = trainer.fit_temperature() if clips.validation else 1.0

            history = history_of(trainer.state.log_history)
            self.remarks = remarks_of(
                history,
                [clip.emotion for clip in clips.validation.clips],
                warm_up=training.warmup_steps,
                updates=trainer.state.global_step,
                planned=trainer.state.max_steps,
            )
            if is_first:
                steps = trainer.state.global_step
                training_run = run_folder.describe_run(
                    training,
                    self.data_config,
                    clips,
                    steps,
                    teacher.about if teacher else None,
                    start.about if start else None,
                )
                training_run["remarks"] = self.remarks
                save_checkpoint(
                    trainer.network, run, temperature=temperature, training=training_run
                )
                write_json(history, run / run_folder.HISTORY)
        return history

    def _some_speech(self, part: DecodedClips) -> Iterator[torch.Tensor]:
        """Yield some clips, each as long as a window of training at most, ``[1, samples]``."""
        data = self.data_config
        places = np.random.default_rng(self.training_config.seed).permutation(len(part))
        for place in places[:_CLIPS_TO_SETTLE]:
            samples = part.audio[place]
            if data.trim_silence:
                samples = trim_silence(samples, SAMPLE_RATE)
            window = np.array(samples[: round(data.max_crop_s * SAMPLE_RATE)], np.float32)
            yield torch.from_numpy(window)[None]

    def _open_teacher(self) -> Teacher | None:
        if self.training_config.teacher:
            return Teacher(self.training_config.teacher, self.model_config)
        if self.data_config.unlabelled:
            msg = "unlabelled speech needs a teacher: name its run folder with --teacher"
            raise ConfigError(msg)
        return None

    def _trainer(
        self,
        model: EmotionModel,
        training: TrainingConfig,
        arguments: transformers.TrainingArguments,
        clips: Prepared,
        answers: Answers | None,
        distillation: Distillation | None,
    ) -> EmotionTrainer:
        names, data = self.model_config.emotion_labels, self.data_config
        emotions = [clip.emotion for clip in clips.train.clips]
        validates = bool(clips.validation)
        patience = transformers.EarlyStoppingCallback(
            training.early_stopping_patience, training.early_stopping_threshold
        )
        return EmotionTrainer(
            model=model,
            args=arguments,
            train_dataset=self._dataset(clips.train, is_training=True, answers=answers),
            eval_dataset=self._dataset(clips.validation, is_training=False) if validates else None,
            compute_metrics=measure,
            callbacks=[WarmUpCheck(), *([patience] if validates else [])],
            settings=training,
            loss=create_loss([emotions.count(name) for name in names], training),
            sampler=BalancedSampler(
                [(clip.dataset, clip.emotion) for clip in clips.train.clips],
                batch_size=arguments.train_batch_size,
                crop_s=(data.min_crop_s, min(data.max_crop_s, self.model_config.max_duration)),
                balance=training.balance,
                seed=training.seed,
                followers=Followers(clips.train.clips, data.change_share)
                if data.change_share
                else None,
            ),
            average=WeightAverage(training.ema_decay) if training.ema_decay else None,
            distillation=distillation,
        )

    def _dataset(
        self, part: DecodedClips, *, is_training: bool, answers: Answers | None = None
    ) -> SpeechEmotionDataset:
        names = self.model_config.emotion_labels
        return SpeechEmotionDataset(
            [clip.path for clip in part.clips],
            [
                (label_of(clip) if is_training else clip.emotion) if clip.emotion in names else None
                for clip in part.clips
            ],
            is_training=is_training and self.data_config.data_augmentation,
            emotion_labels=names,
            max_duration_s=self.model_config.max_duration,
            audio=part.audio,
            clean=is_training and self.data_config.apply_noise_reduction,
            trim=is_training and self.data_config.trim_silence,
            augmenter=Augmenter.from_settings(self.data_config) if is_training else None,
            answers=answers,
            every_hop=is_training and self.training_config.every_hop,
            ratings=ratings_of(part.clips, self.model_config.dimensions) if is_training else (),
        )


def _clips(data: Any) -> Sequence[Clip]:
    if isinstance(data, tuple) and len(data) == 2 and not isinstance(data[0], Clip):
        return [Clip(Path(path), label) for path, label in zip(*data, strict=True)]
    return data  # type: ignore[no-any-return]  # of transformers


def create_trainer(
    model_config: ModelConfig | None = None,
    training_config: TrainingConfig | None = None,
    data_config: DataConfig | None = None,
) -> SpeechEmotionTrainer:
    """Make a trainer from settings, by default the module-level ones of `ser_rt.config`."""
    return SpeechEmotionTrainer(
        model_config or config.model_config,
        training_config or config.training_config,
        data_config or config.data_config,
    )
