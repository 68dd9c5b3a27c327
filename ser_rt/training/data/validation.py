"""Looks at clips before training: are they fit, and do training and validation share anything?"""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

from ser_rt.config import LEAKS
from ser_rt.errors import DataError
from ser_rt.files.names import printable
from ser_rt.training.data.corpus import Clip, shared_speakers
from ser_rt.training.data.decoded_cache import AudioCache, Fault, fault_table
from ser_rt.training.data.labels import emotion_named

logger = logging.getLogger(__name__)


class CheckedClips(NamedTuple):
    """Clips that are fit for training, what they sound like, and those that are not fit."""

    clips: list[Clip]
    audio: AudioCache
    faults: list[Fault]

    def part(self, clips: Sequence[Clip]) -> CheckedClips:
        """Some of the clips, in their order."""
        place = {clip.path: i for i, clip in enumerate(self.clips)}
        return CheckedClips(list(clips), self.audio.pick(place[clip.path] for clip in clips), [])


def check_clips(clips: Sequence[Clip], labels: Sequence[str], *, skip_bad: bool) -> CheckedClips:
    """Decode every clip, and find those that no training can use.

    Raises:
        DataError: some are unfit and shall not be skipped, or none is left; the message is a table.
    """
    seen = Counter(clip.path for clip in clips)
    faults = [
        Fault(printable(path), "listed twice", f"{count} times")
        for path, count in seen.items()
        if count > 1
    ]
    unique = [
        replace(clip, emotion=emotion_named(str(clip.emotion), labels))
        for clip in {clip.path: clip for clip in clips}.values()
    ]
    faults += [
        Fault(printable(clip.path), "wrong label", f"{clip.emotion} is none of {', '.join(labels)}")
        for clip in unique
        if clip.emotion not in labels
    ]
    labelled = [clip for clip in unique if clip.emotion in labels]
    audio = AudioCache([clip.path for clip in labelled], strict=False)
    faults += audio.faults
    table = fault_table(faults, len(clips)) if faults else ""
    unheard = {fault.path for fault in audio.faults}
    fit = [i for i, clip in enumerate(labelled) if printable(clip.path) not in unheard]
    if faults and (not skip_bad or not fit):
        msg = f"{table}\nmend or remove them, or leave them out with --skip_bad (skip_bad)"
        raise DataError(msg)
    if faults:
        logger.warning("skipping: %s", table)
    return CheckedClips([labelled[i] for i in fit], audio.pick(fit), faults)


def refuse_empty_classes(clips: Iterable[Clip], labels: Sequence[str]) -> None:
    """Raise `DataError` if an emotion has no clip to learn from."""
    found = {clip.emotion for clip in clips}
    if empty := [label for label in labels if label not in found]:
        rest = " ".join(label for label in labels if label in found)
        msg = (
            f"no clip to learn {', '.join(empty)} from: add some, or train on the emotions "
            f"that there are with --emotion_labels {rest} (model_config.emotion_labels)"
        )
        raise DataError(msg)


def find_leaks(train: CheckedClips, val: CheckedClips) -> dict[str, list[str]]:
    """What training and validation share, by kind: speakers, sentences, audio."""
    sentences = {clip.sentence for clip in train.clips if clip.sentence}
    heard = defaultdict(list)
    for clip, digest in zip(train.clips, train.audio.digests, strict=True):
        heard[digest].append(printable(clip.path))
    found = {
        "speakers": shared_speakers(train.clips, val.clips),
        "sentences": sorted(sentences & {clip.sentence for clip in val.clips}),
        "audio": [
            f"{printable(clip.path)} = {heard[digest][0]}"
            for clip, digest in zip(val.clips, val.audio.digests, strict=True)
            if digest in heard
        ],
    }
    return {kind: shared for kind in LEAKS if (shared := found[kind])}


def refuse_leaks(leaks: dict[str, list[str]], allowed: Sequence[str]) -> None:
    """Raise `DataError` for what is shared and not allowed to be; log what is allowed.

    Figures of a split that leaks are better than the network is.
    """
    report = {
        kind: f"{len(shared)} {kind} are in training and validation: "
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
            + f"\nsplit so that they are on one side, or say --allow_leaks {kinds} (allow_leaks)"
        )
        raise DataError(msg)
