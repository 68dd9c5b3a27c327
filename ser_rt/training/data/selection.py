"""`select_clips`: the clips of a manifest or a folder that a model can be judged on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ser_rt.constants import EMOTIONS
from ser_rt.errors import DataError
from ser_rt.evaluation.scores import LeftOut
from ser_rt.files.names import printable
from ser_rt.training.data.corpus import (
    Clip,
    load_directory,
    read_manifest,
    refuse_absent_datasets,
    refuse_absent_split,
    relabel,
)


@dataclass(frozen=True)
class Selection:
    """Which clips are wanted: None and empty ones take all.

    Attributes:
        split: Only clips of this split.
        datasets: Only clips of these.
        same_labels: Labels that stand for an emotion, as of `relabel`.
    """

    split: str | None = None
    datasets: Sequence[str] = ()
    same_labels: Sequence[str] = ()

    def left_out(self, clip: Clip) -> LeftOut:
        """Describe a clip as one that is left out."""
        return LeftOut(
            path=printable(clip.path),
            emotion=clip.emotion,
            split=clip.split,
            other_split=self.split is not None and clip.split != self.split,
            dataset=clip.dataset,
            other_dataset=bool(self.datasets) and clip.dataset not in self.datasets,
        )


def select_clips(
    where: str | Path, labels: Sequence[str], selection: Selection, *, is_folder: bool = False
) -> tuple[list[Clip], list[LeftOut]]:
    """Return the clips to evaluate on, of a manifest or a folder of emotions, and all others.

    Raises:
        DataError: the data cannot be read, lacks the split or a dataset, or has no clip of an
            emotion that the model knows.
    """
    if is_folder:
        names = tuple(dict.fromkeys((*labels, *EMOTIONS)))
        clips = load_directory(where, names, selection.same_labels)
    else:
        clips = relabel(read_manifest(where, labels), selection.same_labels)
    if selection.split:
        refuse_absent_split(clips, selection.split, where)
    refuse_absent_datasets(clips, selection.datasets, where)
    wanted, left_out = [], []
    for clip in clips:
        row = selection.left_out(clip)
        if row.not_selected or clip.emotion not in labels:
            left_out.append(row)
        else:
            wanted.append(clip)
    if not wanted:
        emotions = sorted({row.emotion for row in left_out if not row.not_selected})
        msg = (
            f"{printable(where)} has no clip of an emotion that the model knows: it has "
            f"{emotions}, the model {', '.join(labels)}"
        )
        raise DataError(msg)
    return wanted, left_out
