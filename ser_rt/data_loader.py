"""Loaders of labelled clips, as in the original module; the dataset is in `training.data`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ser_rt.config import model_config
from ser_rt.training.data.corpus import Clip, load_directory, load_manifest
from ser_rt.training.data.dataset import SpeechEmotionDataset
from ser_rt.training.data.sample_data import write_sample_data

__all__ = [
    "SpeechEmotionDataset",
    "load_dataset_from_directory",
    "load_dataset_from_csv",
    "prepare_sample_data",
]


def load_dataset_from_directory(data_dir: str | Path) -> tuple[list[str], list[str]]:
    """Return paths and emotions of clips in one folder for each emotion."""
    return _columns(load_directory(data_dir, model_config.emotion_labels))


def load_dataset_from_csv(csv_path: str | Path) -> tuple[list[str], list[str]]:
    """Return paths and emotions of a CSV with `file_path` and `emotion`."""
    return _columns(load_manifest(csv_path, model_config.emotion_labels))


def prepare_sample_data(
    data_dir: str | Path = "./data/emotions", takes: int = 4
) -> tuple[list[str], list[str]]:
    """Return the clips in a folder; if there is no such folder, write synthetic ones first.

    Synthetic clips are good for trying the tools, not for training. An existing folder is left as
    it is.

    Raises:
        DataError: the folder is there and holds no clips of these emotions.
        OutputError: the synthetic clips cannot be written.
    """
    if not Path(data_dir).exists():
        write_sample_data(Path(data_dir), model_config.emotion_labels, takes)
    return load_dataset_from_directory(data_dir)


def _columns(clips: Sequence[Clip]) -> tuple[list[str], list[str]]:
    return [str(clip.path) for clip in clips], [clip.emotion for clip in clips]
