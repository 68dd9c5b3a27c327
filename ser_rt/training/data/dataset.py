"""`SpeechEmotionDataset`: labelled clips as tensors, whole or in random windows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import Dataset

from ser_rt.audio.processing import trim_silence
from ser_rt.classifier import FloatArray
from ser_rt.config import model_config
from ser_rt.constants import SAMPLE_RATE
from ser_rt.errors import DataError
from ser_rt.evaluation.dimensions import rating
from ser_rt.networks.streaming import POOLED_S
from ser_rt.training.data.answers import Answers
from ser_rt.training.data.augmentation import Augmenter
from ser_rt.training.data.changes import Stretch, join
from ser_rt.training.data.corpus import Clip, label_id
from ser_rt.training.data.decoded_cache import AudioCache
from ser_rt.training.data.sampler import Draw, draw_window

Example = dict[str, torch.Tensor]
Label = str | int | Mapping[str, float] | None
"""None is unknown: only a teacher says something about the clip."""
NO_LABEL = -100
"""Id of an unknown label; of shares, all are 0."""
_MOST_OF_IT = 0.9


class SpeechEmotionDataset(Dataset[Example]):
    """Clips as ``{"input_values": float32 [samples], "labels": int64}``.

    An `int` index gives the whole clip as it is; a `Draw` gives a random window of it, augmented if
    `is_training`. If a label is shared between emotions, all labels are float32 ``[emotions]``.

    Args:
        data_paths: audio files.
        labels: an emotion's name, its id, or the shares of several emotions, for each.
        processor: a transformers feature extractor or processor; only its sample rate is checked,
            because networks normalise their input themselves.
        is_training: augment the windows of `Draw`s.
        emotion_labels: names in the order of their ids.
        max_duration_s: how much of a clip is used, from its start.
        audio: the decoded clips; None decodes them.
        clean: reduce noise in every other window.
        trim: cut silence from both ends before a window is drawn.
        augmenter: how windows are varied.
        answers: a teacher's frames of the clips, which windows then have, too.
        every_hop: give windows the emotion of every 20 ms, too.
        ratings: of dimensions, for each clip; NaN where one is not known.
    """

    def __init__(
        self,
        data_paths: Sequence[str | Path],
        labels: Sequence[Label],
        processor: Any = None,
        is_training: bool = False,  # noqa: FBT001, FBT002 (the original's signature)
        *,
        emotion_labels: Sequence[str] | None = None,
        max_duration_s: float | None = None,
        audio: AudioCache | None = None,
        clean: bool = False,
        trim: bool = False,
        augmenter: Augmenter | None = None,
        answers: Answers | None = None,
        every_hop: bool = False,
        ratings: Sequence[Sequence[float]] = (),
    ) -> None:
        names = tuple(emotion_labels or model_config.emotion_labels)
        if len(data_paths) != len(labels) or not labels:
            msg = f"{len(data_paths)} paths and {len(labels)} labels: give as many, at least one"
            raise DataError(msg)
        extractor = getattr(processor, "feature_extractor", processor)
        rate = getattr(extractor, "sampling_rate", SAMPLE_RATE)
        if rate != SAMPLE_RATE:
            msg = f"the processor expects {rate} Hz; networks here take {SAMPLE_RATE} Hz"
            raise DataError(msg)
        self.labels = _targets(labels, names)
        self.is_training = is_training
        self._names, self._every_hop = names, every_hop
        self._ratings = torch.tensor(ratings, dtype=torch.float32) if ratings else None
        self._clean, self._trim = clean, trim
        self._augmenter, self._answers = augmenter or Augmenter(), answers
        self._max_samples = round((max_duration_s or 3600.0) * SAMPLE_RATE)
        self._clips = audio or AudioCache([Path(path) for path in data_paths])

    def __len__(self) -> int:
        """Return the number of clips."""
        return len(self.labels)

    def __getitem__(self, item: int | Draw) -> Example:
        """Return the whole clip (at most `max_duration_s` of its start), or a random window."""
        if isinstance(item, Draw):
            return self._window(item)
        return self._example(self._clips[item][: self._max_samples], item)

    def _window(self, draw: Draw) -> Example:
        samples = self._speech(draw.clip)
        parts = {draw.clip: Stretch(0, samples.size, 0, samples.size)}
        if draw.then is not None:
            after = self._speech(draw.then)
            samples, places = join(samples, after, draw.samples, draw.seed)
            parts = dict(zip((draw.clip, draw.then), places, strict=True))
        vary = self._augmenter if self.is_training else None
        window = draw_window(samples, draw, vary=vary, clean=self._clean)
        example = self._example(window.samples, draw.clip)
        # A pause between two parts is of neither; each place of one clip is in it.
        within = {
            index: window.is_clip & part.holds(window.places) for index, part in parts.items()
        }
        if self._ratings is not None and draw.then is not None:
            last = _owner_at_end(within, len(window.samples))
            known = self._ratings[draw.clip if last is None else last]
            example["ratings"] = torch.full_like(known, torch.nan) if last is None else known
        if self._every_hop:
            emotions = torch.zeros(window.places.size, len(self._names))
            for index, mine in within.items():
                emotions[torch.from_numpy(mine)] = self._shares(index)
            example["emotions"] = emotions
        if self._answers is not None:
            share = {index: part.share(window.places) for index, part in parts.items()}
            frames = [self._answers.at(i, np.clip(where, 0.0, 1.0)) for i, where in share.items()]
            taught = np.where(within[draw.clip][:, None], frames[0], frames[-1])
            example["teacher_frames"] = torch.from_numpy(taught)
            example["is_clip"] = torch.from_numpy(np.any([*within.values()], axis=0))
        return example

    def _speech(self, index: int) -> FloatArray:
        samples = self._clips[index][: self._max_samples]
        return trim_silence(samples, SAMPLE_RATE) if self._trim else samples

    def _shares(self, index: int) -> torch.Tensor:
        label = self.labels[index]
        if label.ndim:
            return label
        shares = torch.zeros(len(self._names))
        if label != NO_LABEL:
            shares[label] = 1.0
        return shares

    def _example(self, samples: FloatArray, index: int) -> Example:
        example = {
            "input_values": torch.from_numpy(np.ascontiguousarray(samples)),
            "labels": self.labels[index],
        }
        return example if self._ratings is None else example | {"ratings": self._ratings[index]}


def _owner_at_end(within: Mapping[int, npt.NDArray[np.bool_]], samples: int) -> int | None:
    """Return the clip that nearly all of a window's pooled end is of; None of a mixture."""
    share = {}
    for index, mine in within.items():
        pooled = math.ceil(mine.size * min(1.0, POOLED_S * SAMPLE_RATE / samples))
        share[index] = float(mine[mine.size - pooled :].mean())
    last = max(share, key=lambda index: share[index])
    return last if share[last] >= _MOST_OF_IT * sum(share.values()) > 0 else None


def _targets(labels: Sequence[Label], names: Sequence[str]) -> torch.Tensor:
    if not any(isinstance(label, Mapping) for label in labels):
        return torch.tensor([NO_LABEL if o is None else label_id(o, names) for o in labels])
    shares = torch.zeros(len(labels), len(names))
    for row, label in zip(shares, labels, strict=True):
        if label is None:
            continue
        of_each = label if isinstance(label, Mapping) else {label: 1.0}
        for emotion, share in of_each.items():
            row[label_id(emotion, names)] += share
        if not row.sum() > 0 or row.min() < 0:
            msg = f"soft label {label!r} must have shares of 0 or more, and one above 0"
            raise DataError(msg)
    total = shares.sum(dim=1, keepdim=True)
    return shares / torch.where(total > 0, total, 1.0)


def label_of(clip: Clip) -> Label:
    """Return the label of a clip: its soft label as shares if it has one, else its emotion.

    Raises:
        DataError: the soft label is not written as ``Joy:0.7 Surprise:0.3``.
    """
    if not clip.soft_label:
        return clip.emotion
    try:
        pairs = [part.split(":") for part in clip.soft_label.split()]
        return {emotion: float(share) for emotion, share in pairs}
    except ValueError as error:
        msg = f"{clip.path}: soft label {clip.soft_label!r} must read like Joy:0.7 Surprise:0.3"
        raise DataError(msg) from error


def ratings_of(clips: Sequence[Clip], dimensions: Sequence[str]) -> list[list[float]]:
    """Return the values of dimensions for each clip, NaN where one is empty.

    Raises:
        DataError: one is no number from 0 to 1, or no clip has any of a dimension.
    """
    if not dimensions:
        return []
    rows = [[rating(getattr(clip, d), d, clip.path) for d in dimensions] for clip in clips]
    for name, values in zip(dimensions, zip(*rows, strict=True), strict=True):
        if all(map(math.isnan, values)):
            msg = f"none of {len(clips)} clips has a value in the column {name!r} of the manifest"
            raise DataError(msg)
    return rows


def collate(examples: Sequence[Example]) -> Example:
    """Stack examples of one length into ``[batch, samples]`` and ``[batch]``."""
    return {key: torch.stack([example[key] for example in examples]) for key in examples[0]}
