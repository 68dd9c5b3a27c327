"""`SplitCorpus`: decoded clips with a split, of which some datasets are judged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ser_rt.errors import DataError
from ser_rt.files.names import printable
from ser_rt.training.data.corpus import Clip, read_manifest, refuse_absent_split, relabel
from ser_rt.training.data.decoded_cache import AudioCache
from ser_rt.training.data.validation import (
    decode_clips,
    find_leaks,
    refuse_empty_classes,
)

Indices = npt.NDArray[np.intp]
MANIFEST = "manifest.csv"
NAMELESS = "nameless"
"""Dataset of clips whose manifest names none."""


@dataclass(frozen=True)
class CorpusPart:
    """Clips to train on and clips to judge on, as indices of a corpus."""

    train: Indices
    judged: Indices


@dataclass(frozen=True)
class SplitCorpus:
    """Clips of both splits, in the manifest's order, and the audio of each."""

    clips: list[Clip]
    audio: AudioCache
    train: str
    judged: str
    """Names of the two splits."""

    def new_corpora(self) -> dict[str, CorpusPart]:
        """Return a part for each dataset judged: all its clips, without any of it in training.

        One without which there are not two speakers and two emotions to train on has none.
        """
        judged = sorted({clip.dataset for clip in self.clips if clip.split == self.judged})
        parts = {name: self._new_corpus(name) for name in judged}
        return {name: part for name, part in parts.items() if self._suffices(part.train)}

    def new_speakers(self) -> CorpusPart:
        """Return the split of the manifest: all datasets are known, the speakers are new."""
        return CorpusPart(
            self._where(lambda clip: clip.split == self.train),
            self._where(lambda clip: clip.split == self.judged),
        )

    def _new_corpus(self, dataset: str) -> CorpusPart:
        return CorpusPart(
            self._where(lambda clip: clip.split == self.train and clip.dataset != dataset),
            self._where(lambda clip: clip.dataset == dataset),
        )

    def pick(self, indices: Indices) -> list[Clip]:
        """Return some of the clips."""
        return [self.clips[i] for i in indices.tolist()]

    def _suffices(self, train: Indices) -> bool:
        clips = self.pick(train)
        return min(len({clip.speaker for clip in clips}), len({c.emotion for c in clips})) > 1

    def _where(self, fits: Callable[[Clip], bool]) -> Indices:
        return np.flatnonzero([fits(clip) for clip in self.clips])


def read_corpus(
    path: Path,
    labels: Sequence[str],
    same_labels: Sequence[str],
    train: str,
    judged: str,
    report: Callable[[str], None],
) -> SplitCorpus:
    """Read and decode the clips of two splits of a manifest that have one of the labels.

    Args:
        path: the manifest, or the folder that holds it as ``manifest.csv``.
        labels: emotions to judge.
        same_labels: labels that stand for an emotion, as ``Calm=Neutral``.
        train: name of the split to train on.
        judged: name of the split to judge on.
        report: is told how many clips there are, and which cannot be used.

    Raises:
        DataError: there is no such manifest or split, an emotion has no clip to train on, or the
            two splits share speakers or audio.
    """
    manifest = path / MANIFEST if path.is_dir() else path
    rows = [
        replace(clip, dataset=clip.dataset or NAMELESS)
        for clip in relabel(read_manifest(manifest, labels), same_labels)
    ]
    for split in (train, judged):
        refuse_absent_split(rows, split, manifest)
    wanted = [clip for clip in rows if clip.split in (train, judged) and clip.emotion in labels]
    if not any(clip.split == judged for clip in wanted):
        msg = f"{printable(manifest)} has no clip of {', '.join(labels)} in split {judged!r}"
        raise DataError(msg)
    decoded, faults = decode_clips(wanted, labels, skip_bad=True)
    corpus = SplitCorpus(decoded.clips, decoded.audio, train, judged)
    part = corpus.new_speakers()
    refuse_empty_classes(corpus.pick(part.train), labels)
    known, new = (decoded.pick(corpus.pick(side)) for side in (part.train, part.judged))
    _refuse_shared(find_leaks(known, new), train, judged)
    report(
        f"{len(known)} clips to train on, {len(new)} to judge on; {len(rows) - len(wanted)} of "
        f"other splits or emotions, {len(faults)} unfit"
    )
    return corpus


def _refuse_shared(leaks: dict[str, list[str]], train: str, judged: str) -> None:
    """Raise `DataError` for speakers or recordings in both splits; texts may be shared."""
    for kind in ("speakers", "audio"):
        if shared := leaks.get(kind):
            msg = (
                f"{len(shared)} {kind} are in the splits {train!r} and {judged!r}, such as "
                f"{shared[0]}: figures would not be of new speakers; keep each on one side"
            )
            raise DataError(msg)
