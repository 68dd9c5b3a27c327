"""`Answers`: what a teacher makes of clips, computed once and kept on the disk.

A teacher's frames before pooling are kept, and not its probabilities: whatever window of a clip is
drawn, its pooling and its head then give the answer for just that window, at next to no cost.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from ser_rt.errors import OutputError
from ser_rt.files.writing import replacing
from ser_rt.training.data.decoded_cache import cache_folder, tracked

Frames = npt.NDArray[np.float16]
_BLOCK = 64
_FRAMES, _ENDS = "frames", "ends"

logger = logging.getLogger(__name__)


class Answers:
    """Frames of clips by index, float16 ``[frames, channels]`` each.

    They lie beside the decoded corpora, in files of 64 clips, named by a hash of the teacher and of
    the clips, so that a run that was stopped computes only what is missing. 512 channels take
    184 MB an hour.

    Args:
        teacher: hash of everything but the clips that the frames depend on.
        digests: a hash of the samples of each clip.
        frames_of: computes the frames of the clip of an index.

    Raises:
        OutputError: the disk is full.
    """

    def __init__(
        self,
        teacher: str,
        digests: Sequence[str],
        frames_of: Callable[[int], Frames],
    ) -> None:
        folder = cache_folder().parent / "teacher"
        starts = range(0, len(digests), _BLOCK)
        self._files = [
            folder / f"{_fingerprint(teacher, digests[start : start + _BLOCK])}.safetensors"
            for start in starts
        ]
        blocks = zip(starts, self._files, strict=True)
        for start, file in tracked(blocks, "teacher", len(starts)):
            clips = range(start, min(start + _BLOCK, len(digests)))
            if not _is_whole(file, len(clips)):
                _write(file, map(frames_of, clips))
        self._open: dict[int, Any] = {}

    def __getstate__(self) -> dict[str, object]:
        """Leave open files out: a spawned worker opens its own."""
        return vars(self) | {"_open": {}}

    def at(self, index: int, places: npt.NDArray[np.float64]) -> Frames:
        """Return the frames at places of a clip, each from 0, its start, to below 1, its end."""
        block, row = divmod(index, _BLOCK)
        if block not in self._open:
            file = safe_open(self._files[block], "np")
            self._open[block] = (file.get_slice(_FRAMES), [0, *file.get_tensor(_ENDS).tolist()])
        frames, ends = self._open[block]
        chosen: Frames = frames[ends[row] : ends[row + 1]]
        rows = (places * len(chosen)).astype(int).clip(0, len(chosen) - 1)
        found: Frames = chosen[rows]
        return found


def _fingerprint(teacher: str, digests: Sequence[str]) -> str:
    return hashlib.sha256("\n".join((teacher, *digests)).encode()).hexdigest()[:32]


def _is_whole(file: Path, clips: int) -> bool:
    if not file.exists():
        return False
    try:
        with safe_open(file, "np") as kept:
            ends = kept.get_tensor(_ENDS)
            rows, _ = kept.get_slice(_FRAMES).get_shape()
            if len(ends) == clips and ends[-1] == rows and np.all(np.diff(ends, prepend=0) > 0):
                return True
        damage = "its index does not match"
    except (OSError, ValueError, SafetensorError) as error:
        damage = f"{type(error).__name__}: {error}"
    logger.warning("a teacher's answers in %s are damaged (%s): computing them again", file, damage)
    return False


def _write(file: Path, clips: Iterator[Frames]) -> None:
    frames = list(clips)
    ends = np.cumsum([len(each) for each in frames])
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with replacing(file) as kept:
            whole = np.ascontiguousarray(np.concatenate(frames))  # it may be transposed
            kept.write(save({_FRAMES: whole, _ENDS: ends}))
    except OSError as error:
        msg = (
            f"cannot keep a teacher's answers in {file.parent}: {error.strerror}; free space (an "
            "hour takes 184 MB with 512 channels), or let SER_RT_CACHE name another folder"
        )
        raise OutputError(msg) from error
