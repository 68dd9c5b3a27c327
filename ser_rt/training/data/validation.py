"""Checks of clips before training: unfit files, empty classes, leaks between the two splits."""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from ser_rt.config import LEAKS
from ser_rt.errors import DataError
from ser_rt.files.names import printable
from ser_rt.training.data.corpus import Clip
from ser_rt.training.data.decoded_cache import AudioCache, Fault, fault_table
from ser_rt.training.data.labels import emotion_named
from ser_rt.training.data.splits import shared_speakers

logger = logging.getLogger(__name__)


_LEAK_WORDS = {
    "start": "speakers to validate on are known to the model that training starts from (others are "
    "needed)"
}


@dataclass(frozen=True)
class DecodedClips:
    """Clips that are fit for training, and the decoded audio of each."""

    clips: list[Clip]
    audio: AudioCache

    def __len__(self) -> int:
        """Return the number of clips."""
        return len(self.clips)

    def pick(self, clips: Sequence[Clip]) -> DecodedClips:
        """Return some of the clips, in the order given."""
        place = {clip.path: i for i, clip in enumerate(self.clips)}
        return DecodedClips(list(clips), self.audio.pick(place[clip.path] for clip in clips))


def decode_clips(
    clips: Sequence[Clip], labels: Sequence[str], *, skip_bad: bool, any_label: bool = False
) -> tuple[DecodedClips, list[Fault]]:
    """Decode every clip; return those that are fit for training, and the faults of the others.

    With `any_label`, clips of emotions other than `labels` are fit, too: for a teacher's answers.

    Raises:
        DataError: some are unfit and `skip_bad` is off, or none is left; the message is a table.
        OutputError: the decoded audio does not fit on the disk.
    """
    counts = Counter(clip.path for clip in clips)
    faults = [
        Fault(printable(path), "listed twice", f"{count} times")
        for path, count in counts.items()
        if count > 1
    ]
    unique = [
        replace(clip, emotion=emotion_named(str(clip.emotion), labels))
        for clip in {clip.path: clip for clip in clips}.values()
    ]
    faults += [
        Fault(printable(clip.path), "wrong label", f"{clip.emotion} is none of {', '.join(labels)}")
        for clip in unique
        if clip.emotion not in labels and not any_label
    ]
    labelled = [clip for clip in unique if any_label or clip.emotion in labels]
    audio = AudioCache([clip.path for clip in labelled], strict=False)
    faults += audio.faults
    undecoded = {fault.path for fault in audio.faults}
    fit = [i for i, clip in enumerate(labelled) if printable(clip.path) not in undecoded]
    if faults:
        table = fault_table(faults, len(clips))
        if not skip_bad or not fit:
            msg = f"{table}\nfix or remove them, or leave them out with --skip-bad (skip_bad)"
            raise DataError(msg)
        logger.warning("skipping: %s", table)
    return DecodedClips([labelled[i] for i in fit], audio.pick(fit)), faults


def refuse_empty_classes(clips: Iterable[Clip], labels: Sequence[str]) -> None:
    """Raise `DataError` if an emotion has no clip to train on."""
    found = {clip.emotion for clip in clips}
    if empty := [label for label in labels if label not in found]:
        rest = " ".join(label for label in labels if label in found)
        msg = (
            f"no clip of {', '.join(empty)} to train on: add some, or train on the emotions that "
            f"have clips with --emotion-labels {rest} (model_config.emotion_labels)"
        )
        raise DataError(msg)


def find_leaks(
    train: DecodedClips, val: DecodedClips, known: Collection[str] = ()
) -> dict[str, list[str]]:
    """Return what training and validation share, by kind: speakers, sentences, audio.

    `known` are speakers of former trainings, of the same dataset or without the name of one: those
    that are validated on are of the kind start.
    """
    sentences = {clip.sentence for clip in train.clips if clip.sentence}
    paths = defaultdict(list)
    for clip, digest in zip(train.clips, train.audio.digests, strict=True):
        paths[digest].append(printable(clip.path))
    found = {
        "speakers": shared_speakers(train.clips, val.clips),
        "sentences": sorted(sentences & {clip.sentence for clip in val.clips}),
        "audio": [
            f"{printable(clip.path)} = {paths[digest][0]}"
            for clip, digest in zip(val.clips, val.audio.digests, strict=True)
            if digest in paths
        ],
        "start": sorted(set(known) & {name for clip in val.clips for name in clip.names}),
    }
    return {kind: shared for kind in LEAKS if (shared := found[kind])}


def refuse_leaks(leaks: dict[str, list[str]], allowed: Sequence[str]) -> None:
    """Raise `DataError` for leaks that are not in `allowed`; log those that are.

    Metrics of a leaking split are better than those on new speakers.
    """
    report = {
        kind: f"{len(shared)} {_LEAK_WORDS.get(kind, f'{kind} are in training and validation')}: "
        + ", ".join(shared[:5])
        + (", ..." if len(shared) > 5 else "")
        for kind, shared in leaks.items()
    }
    for kind in set(report) & set(allowed):
        logger.warning("allowed leak: %s", report[kind])
    if refused := [report[kind] for kind in report if kind not in allowed]:
        kinds = " ".join(kind for kind in report if kind not in allowed)
        msg = (
            "\n".join(refused)
            + f"\nkeep them on one side of the split, or pass --allow-leaks {kinds} (allow_leaks)"
        )
        raise DataError(msg)
