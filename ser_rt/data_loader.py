"""Feeds clips to training: windows of one length a batch, balanced, varied, and reproducible.

Training sees what serving hears: windows without padding and so without masks. Every batch has a
length of its own; a longer clip is cropped, a shorter one is repeated or set into silence.
Everything random about a window follows from the seed in its `Draw`, never from a worker's state,
so that training resumed after a kill goes on exactly as if it had not been killed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch.utils.data import Dataset, Sampler

from ser_rt.audio_cache import AudioCache
from ser_rt.augmentation import augment
from ser_rt.config import SAMPLE_RATE, model_config
from ser_rt.corpus import Clip, load_directory, load_manifest
from ser_rt.errors import DataError

if TYPE_CHECKING:
    from ser_rt.classifier import FloatArray

Example = dict[str, torch.Tensor]

_CROP_LENGTHS = 13


class Draw(NamedTuple):
    """One training window to make: of which clip, from which seed, how many samples long."""

    clip: int
    seed: int
    samples: int


class SpeechEmotionDataset(Dataset[Example]):
    """Clips as ``{"input_values": float32 [samples], "labels": int64}``.

    An `int` index gives the whole clip as it is; a `Draw` gives a random window of it, varied when
    `is_training`.

    Args:
        data_paths: audio files.
        labels: an emotion's name, or its id, for each.
        processor: a transformers feature extractor or processor; only its sample rate is checked,
            because networks normalise their input themselves.
        is_training: vary the windows that `Draw`s ask for.
        emotion_labels: names in the order of their ids.
    """

    def __init__(
        self,
        data_paths: Sequence[str | Path],
        labels: Sequence[str | int],
        processor: Any = None,  # noqa: ANN401 (several transformers classes)
        is_training: bool = False,  # noqa: FBT001, FBT002 (the original's signature)
        *,
        emotion_labels: Sequence[str] | None = None,
        max_duration_s: float | None = None,
    ) -> None:
        names = tuple(emotion_labels or model_config.emotion_labels)
        if len(data_paths) != len(labels) or not labels:
            msg = f"{len(data_paths)} paths and {len(labels)} labels: give as many, at least one"
            raise DataError(msg)
        extractor = getattr(processor, "feature_extractor", processor)
        rate = getattr(extractor, "sampling_rate", SAMPLE_RATE)
        if rate != SAMPLE_RATE:
            msg = f"the processor expects {rate} Hz; networks here hear {SAMPLE_RATE} Hz"
            raise DataError(msg)
        self.labels = np.array([_label_id(label, names) for label in labels])
        self.is_training = is_training
        self._max_samples = round((max_duration_s or 3600.0) * SAMPLE_RATE)
        self._clips = AudioCache([Path(path) for path in data_paths])

    def __len__(self) -> int:
        """Return the number of clips."""
        return len(self.labels)

    def __getitem__(self, item: int | Draw) -> Example:
        """Return the whole clip (at most `max_duration_s` of its start), or a random window."""
        index = item.clip if isinstance(item, Draw) else item
        samples = self._clips[index][: self._max_samples]
        if isinstance(item, Draw):
            samples = draw_window(samples, item, vary=self.is_training)
        return {
            "input_values": torch.from_numpy(np.ascontiguousarray(samples)),
            "labels": torch.tensor(int(self.labels[index])),
        }


def _label_id(label: str | int, names: Sequence[str]) -> int:
    if isinstance(label, str) and label in names:
        return names.index(label)
    if isinstance(label, int | np.integer) and 0 <= label < len(names):
        return int(label)
    msg = f"unknown emotion {label!r}; known: {', '.join(names)}"
    raise DataError(msg)


def draw_window(samples: FloatArray, draw: Draw, *, vary: bool) -> FloatArray:
    """Make one training window ``[draw.samples]`` of a clip."""
    rng = np.random.default_rng(draw.seed)
    if samples.size > draw.samples:
        # Resampling may shorten by 8 %: take that much more, if it is there.
        spare = max(0, samples.size - round(draw.samples * 1.1))
        start = int(rng.integers(0, spare + 1))
        samples = samples[start : start + round(draw.samples * 1.1)]
    if vary:
        samples = augment(samples, rng)
    samples = samples[: draw.samples]
    missing = draw.samples - samples.size
    if missing and rng.random() < 0.5:
        before = int(rng.integers(0, missing + 1))
        return np.pad(samples, (before, missing - before))
    return np.resize(samples, draw.samples)


class BalancedSampler(Sampler[Draw]):
    """Draws windows so that small classes and datasets are heard often enough.

    A clip is drawn with the weight ``count(dataset, emotion) ** -balance``: 0 takes clips as they
    come, 1 gives every emotion of every dataset the same share.
    """

    def __init__(
        self,
        groups: Sequence[tuple[str, int]],
        *,
        batch_size: int,
        crop_s: tuple[float, float],
        balance: float,
        seed: int,
    ) -> None:
        counts = Counter(groups)
        weights = np.array([counts[group] ** -balance for group in groups])
        self._weights = weights / weights.sum()
        # A few lengths only: kernels are compiled, or chosen, anew for every length there is.
        self._lengths_s = np.linspace(*crop_s, _CROP_LENGTHS)
        self._batch_size, self._seed = batch_size, seed
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose draws come next."""
        self._epoch = epoch

    def __len__(self) -> int:
        """Return the number of draws of an epoch: as many as clips."""
        return len(self._weights)

    def __iter__(self) -> Iterator[Draw]:
        """Yield the draws of one epoch; those of one batch have one length."""
        rng = np.random.default_rng((self._seed, self._epoch))
        clips = rng.choice(len(self), len(self), p=self._weights)
        if not np.ptp(self._weights):
            clips = rng.permutation(len(self))
        seeds = rng.integers(0, 2**62, len(self))
        for start in range(0, len(self), self._batch_size):
            samples = round(rng.choice(self._lengths_s) * SAMPLE_RATE)
            for i in range(start, min(start + self._batch_size, len(self))):
                yield Draw(int(clips[i]), int(seeds[i]), samples)


def collate(examples: Sequence[Example]) -> Example:
    """Stack examples of one length into ``[batch, samples]`` and ``[batch]``."""
    return {key: torch.stack([example[key] for example in examples]) for key in examples[0]}


def load_dataset_from_directory(data_dir: str | Path) -> tuple[list[str], list[str]]:
    """Find clips in one folder for each emotion; returns paths and emotions."""
    return _columns(load_directory(data_dir, model_config.emotion_labels))


def load_dataset_from_csv(csv_path: str | Path) -> tuple[list[str], list[str]]:
    """Read clips from a CSV with `file_path` and `emotion`; returns paths and emotions."""
    return _columns(load_manifest(csv_path, model_config.emotion_labels))


def _columns(clips: Sequence[Clip]) -> tuple[list[str], list[str]]:
    return [str(clip.path) for clip in clips], [clip.emotion for clip in clips]
