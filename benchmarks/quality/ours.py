"""Bundles and checkpoints of ser-rt, and what their training has seen."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ser_rt.bundle import Bundle, find_bundle
from ser_rt.loading import open_model
from ser_rt.manifest import MANIFEST_FILE
from ser_rt.networks.start import trainings_of

if TYPE_CHECKING:
    from ser_rt.classifier import EmotionClassifier


@dataclass(frozen=True)
class Ours:
    """A model of ser-rt, and the datasets and speakers that it was trained or chosen on."""

    name: str
    label: str
    classifier: EmotionClassifier
    datasets: frozenset[str]
    speakers: frozenset[str]

    def is_new(self, dataset: str) -> bool:
        """Return whether a dataset is known to be none of its own."""
        return bool(self.datasets) and dataset not in self.datasets

    def known_among(self, speakers: Iterable[str]) -> list[str]:
        """Return those speakers that are no new ones to it."""
        return sorted(self.speakers & set(speakers) - {""})


def open_ours(name: str) -> Ours:
    """Open a bundle by folder or built-in name, or a training run.

    Raises:
        BundleError: there is none.
        CheckpointError: the folder is neither.
    """
    folder = Path(name)
    if folder.is_dir() and not (folder / MANIFEST_FILE).is_file():
        from ser_rt.networks.checkpoint import read_config

        training = read_config(folder).get("training") or {}
        label = f"{folder.resolve().name} PyTorch"
    else:
        bundle = Bundle.load(find_bundle(name))
        training, label = bundle.training or {}, f"{bundle.name} {bundle.precision}"
    parts = [*trainings_of(training), training.get("validation") or {}]
    return Ours(
        name,
        label,
        open_model(name),
        frozenset(each for part in parts for each in part.get("datasets") or {}),
        frozenset(each for part in parts for each in part.get("speakers") or ()),
    )
