"""Splits by speaker: nobody is in training and in validation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from ser_rt.errors import DataError
from ser_rt.training.data.corpus import Clip


def hold_out_speakers(
    clips: Sequence[Clip], share: float, seed: int = 0
) -> tuple[list[Clip], list[Clip]]:
    """Split clips so that no speaker is on both sides; about `share` of them are on the second.

    In every dataset whole speakers are held out, at least one. Clips without a speaker are split
    one by one, emotion by emotion.

    Raises:
        DataError: a dataset has one speaker only.
    """
    rng = np.random.default_rng(seed)
    held: set[Clip] = set()
    for dataset in sorted({c.dataset for c in clips if c.speaker}):
        speakers = sorted({c.speaker for c in clips if c.dataset == dataset and c.speaker})
        if len(speakers) < 2:
            msg = (
                f"dataset {dataset!r} has the one speaker {speakers[0]!r}, so none can be held "
                "out: give a split column (--split, --val-split), or validate on nothing "
                "(--val-share 0)"
            )
            raise DataError(msg)
        count = min(len(speakers) - 1, max(1, round(share * len(speakers))))
        chosen = set(rng.permutation(speakers)[:count].tolist())
        held |= {c for c in clips if c.dataset == dataset and c.speaker in chosen}
    for emotion in sorted({c.emotion for c in clips if not c.speaker}):
        group = [c for c in clips if not c.speaker and c.emotion == emotion]
        order = rng.permutation(len(group))[: round(share * len(group))]
        held |= {group[i] for i in order}
    return [c for c in clips if c not in held], [c for c in clips if c in held]


def shared_speakers(first: Iterable[Clip], second: Iterable[Clip]) -> list[str]:
    """Return the speakers that are on both sides of a split."""
    return sorted({c.voice for c in first if c.voice} & {c.voice for c in second})
