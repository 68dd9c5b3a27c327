"""Changes of emotion inside a window, made of two clips of one speaker; and what is right when."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from ser_rt.constants import SAMPLE_RATE
from ser_rt.errors import DataError
from ser_rt.training.data.corpus import Clip

if TYPE_CHECKING:
    from ser_rt.classifier import FloatArray

_EARLIEST, _LATEST = 0.25, 0.75
_LONGEST_PAUSE_S = 0.4
_SPARE = 1.1  # resampling may shorten by 8 %


class Followers:
    """Which clip can follow which: of the same speaker, and of another emotion.

    Args:
        clips: that are drawn from; one without a speaker follows none.
        share: of the windows in which the emotion changes.

    Raises:
        DataError: no speaker has clips of two emotions.
    """

    def __init__(self, clips: Sequence[Clip], share: float) -> None:
        self._share = share
        self._of: dict[tuple[str, str], dict[str, list[int]]] = defaultdict(
            lambda: defaultdict(list)
        )
        self._places = [((clip.dataset, clip.speaker), clip.emotion) for clip in clips]
        for index, (speaker, emotion) in enumerate(self._places):
            if speaker[1]:
                self._of[speaker][emotion].append(index)
        if share and not any(len(emotions) > 1 for emotions in self._of.values()):
            msg = (
                "change_share needs speakers with clips of two emotions, and no clip to train on "
                "has such a speaker: give a manifest with speakers, or leave it out"
            )
            raise DataError(msg)

    def draw(self, clip: int, seed: int) -> int | None:
        """Draw the clip that follows another in a window with this seed, or None."""
        rng = np.random.default_rng((seed, 1))
        if rng.random() >= self._share:
            return None
        speaker, emotion = self._places[clip]
        others = [indices for name, indices in self._of.get(speaker, {}).items() if name != emotion]
        if not others:
            return None
        # Every emotion alike, however many clips it has.
        indices = others[int(rng.integers(len(others)))]
        return indices[int(rng.integers(len(indices)))]


class Stretch(NamedTuple):
    """A stretch of a clip in a row of stretches."""

    begin: int
    """Sample of the row at which it begins."""
    end: int
    start: int
    """Sample of its clip at which it begins."""
    size: int
    """Samples of its clip."""

    def holds(self, places: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        """Return which places of the row are in it."""
        return (places >= self.begin) & (places < self.end)

    def share(self, places: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        """Return where in its clip they are, from 0 to 1."""
        return (places - self.begin + self.start) / self.size


def join(
    first: FloatArray, second: FloatArray, samples: int, seed: int
) -> tuple[FloatArray, tuple[Stretch, Stretch]]:
    """Put two clips after each other, cut so that the change lies within a window of `samples`.

    Returns:
        The row, and where the clips are in it: between them is a pause of up to 0.4 s.
    """
    rng = np.random.default_rng((seed, 2))
    wanted = round(samples * _SPARE)
    change = round(samples * rng.uniform(_EARLIEST, _LATEST))
    head = first[-change:]
    pause = round(rng.uniform(0, _LONGEST_PAUSE_S) * SAMPLE_RATE)
    pause = max(0, min(pause, wanted - head.size - 1))
    tail = second[: wanted - head.size - pause]
    row = np.concatenate([head, np.zeros(pause, np.float32), tail])
    before = Stretch(0, head.size, first.size - head.size, first.size)
    return row, (before, Stretch(head.size + pause, row.size, 0, second.size))
