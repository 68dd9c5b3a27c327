"""`judge`: the figures of one recognizer on some clips, from the metrics of `ser-evaluate`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ser_rt.evaluation.metrics import expected_calibration_error
from ser_rt.evaluation.scores import score, score_groups

if TYPE_CHECKING:
    from ser_rt.training.data.corpus import Clip

Rows = npt.NDArray[np.floating[Any]]

FEWEST_CLIPS = 10
"""A speaker with fewer clips is not called the worst one."""


def aligned(probabilities: Rows, theirs: Sequence[str], labels: Sequence[str]) -> Rows:
    """Return probabilities ``[clips, labels]`` of a recognizer whose labels are others.

    Columns of one emotion are added, those of other emotions left out, and the rest sums to 1. An
    emotion that it does not know has probability 0, so that its clips are errors.

    >>> aligned(np.array([[0.2, 0.2, 0.6]]), ["Joy", "Joy", "Disgust"], ["Joy", "Sad"]).tolist()
    [[1.0, 0.0]]
    """
    found = np.zeros((len(probabilities), len(labels)))
    for column, label in enumerate(theirs):
        if label in labels:
            found[:, labels.index(label)] += probabilities[:, column]
    sums = found.sum(axis=1, keepdims=True)
    known = np.array([label in theirs for label in labels], float)
    return np.where(sums > 0, found / np.where(sums > 0, sums, 1.0), known / known.sum())


def judge(clips: Sequence[Clip], probabilities: Rows, labels: Sequence[str]) -> dict[str, Any]:
    """Return the figures of clips, ready for JSON.

    ``all`` has those of all clips, ``datasets`` those of each, ``speakers`` each one's UAR and
    clips, and ``worst_speaker`` the one with the lowest UAR.

    Args:
        clips: what was classified, with labels among `labels`.
        probabilities: of each ``[clips, labels]``.
        labels: emotions.
    """
    true = np.array([labels.index(clip.emotion) for clip in clips], np.int64)
    by_dataset = {}
    for name in sorted({clip.dataset for clip in clips}):
        here = np.flatnonzero([clip.dataset == name for clip in clips])
        inside = [clips[i] for i in here.tolist()]
        by_dataset[name] = _figures(inside, true[here], probabilities[here], labels)
    speakers = [clip.speaker for clip in clips]
    predicted = probabilities.argmax(axis=1)
    found = score_groups(true, predicted, labels, {"speaker": speakers}).get("speaker", {})
    each = {name: {"uar": one.uar, "clips": one.clips} for name, one in found.items()}
    many = {name: one["uar"] for name, one in each.items() if one["clips"] >= FEWEST_CLIPS}
    return {
        "all": _figures(clips, true, probabilities, labels),
        "datasets": by_dataset,
        "speakers": each,
        "worst_speaker": min(many, key=many.__getitem__) if many else None,
    }


def _figures(
    clips: Sequence[Clip], true: npt.NDArray[np.int64], probabilities: Rows, labels: Sequence[str]
) -> dict[str, Any]:
    found = score(
        true,
        probabilities.argmax(axis=1),
        labels,
        [clip.speaker for clip in clips],
        [clip.dataset for clip in clips],
    )
    return {
        "clips": found.clips,
        "speakers": found.speakers,
        "emotions": len(np.unique(true)),
        "uar": found.uar,
        "interval_speakers": found.interval_speakers,
        "interval_clips": found.interval_clips,
        "weighted_accuracy": found.weighted_accuracy,
        "macro_f1": found.macro_f1,
        "ece": expected_calibration_error(true, probabilities),
        "confusion": found.confusion,
    }
