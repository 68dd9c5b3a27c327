"""Decodes a corpus once: every clip as int16 in one memory-mapped file that all workers share."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from tqdm import tqdm

from ser_rt.config import SAMPLE_RATE
from ser_rt.errors import AudioError, DataError
from ser_rt.preprocessing import read_audio

if TYPE_CHECKING:
    from ser_rt.classifier import FloatArray

MIN_CLIP_S = 0.2
_FULL_SCALE = 32767


def cache_folder() -> Path:
    """Folder of decoded corpora: ``$SER_RT_CACHE``, else ``ser-rt`` in the user's cache folder."""
    default = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "ser-rt"
    return Path(os.environ.get("SER_RT_CACHE", default)) / "audio"


class AudioCache:
    """Decoded clips, by index: mono float32 ``[samples]`` at 16 kHz.

    Every file is decoded when the cache is made, so a bad one is found before training starts.

    Raises:
        DataError: files are unreadable, shorter than 0.2 s or silent; the message lists them.
    """

    def __init__(self, paths: Sequence[Path], folder: Path | None = None) -> None:
        folder = cache_folder() if folder is None else folder
        data = folder / f"{_fingerprint(paths)}.npy"
        if not data.exists():
            _decode_all(paths, data)
        self._samples = np.load(data, mmap_mode="r")
        self._ends = np.load(data.with_suffix(".ends.npy"))

    def __len__(self) -> int:
        """Return the number of clips."""
        return len(self._ends)

    def __getitem__(self, index: int) -> FloatArray:
        """Return one clip."""
        start = self._ends[index - 1] if index else 0
        clip = self._samples[start : self._ends[index]]
        return np.asarray(clip, np.float32) / np.float32(_FULL_SCALE)


def _fingerprint(paths: Sequence[Path]) -> str:
    digest = hashlib.sha256(str(SAMPLE_RATE).encode())
    for path in paths:
        try:
            stat = path.stat()
        except OSError as error:
            msg = f"cannot read {path}: {error.strerror}"
            raise DataError(msg) from error
        digest.update(f"{path.resolve()}\0{stat.st_size}\0{stat.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:32]


def _decode_all(paths: Sequence[Path], data: Path) -> None:
    clips: list[np.ndarray[tuple[int], np.dtype[np.int16]]] = []
    faults: list[str] = []
    for path in tqdm(paths, desc="decoding", unit="clip", disable=None):
        try:
            samples = read_audio(path, SAMPLE_RATE)
        except AudioError as error:
            faults.append(str(error))
            continue
        if samples.size < MIN_CLIP_S * SAMPLE_RATE:
            faults.append(f"{path}: shorter than {MIN_CLIP_S} s")
        elif not np.any(samples):
            faults.append(f"{path}: digital silence")
        clips.append(np.rint(samples.clip(-1, 1) * _FULL_SCALE).astype(np.int16))
    if faults:
        shown = "\n  ".join(faults[:20])
        more = f"\n  and {len(faults) - 20} more" if len(faults) > 20 else ""
        msg = f"{len(faults)} of {len(paths)} clips are unfit for training:\n  {shown}{more}"
        raise DataError(msg)
    data.parent.mkdir(parents=True, exist_ok=True)
    # The ends come first and the samples by a rename: a cache whose samples exist is whole.
    np.save(data.with_suffix(".ends.npy"), np.cumsum([clip.size for clip in clips]))
    partial = data.with_suffix(f".{os.getpid()}.part.npy")
    np.save(partial, np.concatenate(clips))
    partial.rename(data)
