"""`AudioCache`: a decoded corpus, int16 in one memory-mapped file that all workers share."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import NamedTuple, Self, TypeVar

import numpy as np
import numpy.typing as npt
from platformdirs import user_cache_path
from rich.console import Console
from rich.progress import track

from ser_rt import __version__
from ser_rt.audio.processing import read_audio
from ser_rt.classifier import FloatArray
from ser_rt.constants import SAMPLE_RATE
from ser_rt.errors import AudioError, DataError, OutputError
from ser_rt.files.names import printable
from ser_rt.files.writing import replacing

MIN_CLIP_S = 0.2
_FULL_SCALE = 32767
T = TypeVar("T")
_Samples = npt.NDArray[np.int16]
_BLOCK = 256

logger = logging.getLogger(__name__)


class Fault(NamedTuple):
    """A file that is unfit for training, and the reason."""

    path: str
    kind: str
    """unreadable, too short, silent, wrong label, or listed twice."""
    detail: str


def cache_folder() -> Path:
    """Return the folder of decoded corpora, in ``$SER_RT_CACHE`` or the user's cache folder."""
    return (
        Path(os.environ.get("SER_RT_CACHE") or user_cache_path("ser-rt", appauthor=False)) / "audio"
    )


def tracked(work: Iterable[T], what: str, total: int) -> Iterable[T]:
    """Return the parts of some work, whose progress a terminal shows."""
    console = Console(stderr=True)
    is_shown = console.is_terminal
    return track(work, what, total, console=console, transient=True, disable=not is_shown)


_UNREADABLE = "unreadable"


class _Index(NamedTuple):
    """Index of the file of samples: end and hash of each clip, and the faults."""

    ends: list[int]
    digests: list[str]
    faults: list[Fault]


class AudioCache:
    """Decoded clips, by index: mono float32 ``[samples]`` at 16 kHz.

    Every file is decoded when the cache is made, so a bad one is found before training starts.
    `faults` lists the bad ones, and `digests` has a hash of the samples of each clip. A cache on
    the disk that is damaged is decoded again.

    Args:
        paths: audio files.
        strict: raise for bad files; else they are clips without samples.
        folder: folder of decoded corpora.

    Raises:
        DataError: files are unreadable, shorter than 0.2 s or silent; the message lists them.
        OutputError: the disk is full.
    """

    def __init__(
        self, paths: Sequence[Path], *, strict: bool = True, folder: Path | None = None
    ) -> None:
        folder = cache_folder() if folder is None else folder
        data = folder / f"{_fingerprint(paths)}.pcm"
        index = _read_index(data, len(paths))
        if index is None or _are_readable_now(index.faults, paths):
            index = _decode_all(paths, data)
        self.faults = index.faults
        if strict and self.faults:
            raise DataError(fault_table(self.faults, len(paths)))
        self.digests = index.digests
        self._bounds = list(zip([0, *index.ends], index.ends, strict=False))
        self._data = data

    @cached_property
    def _samples(self) -> _Samples:
        size = self._data.stat().st_size
        return np.memmap(self._data, np.int16, "r") if size else np.zeros(0, np.int16)

    def __len__(self) -> int:
        """Return the number of clips."""
        return len(self._bounds)

    def __getitem__(self, index: int) -> FloatArray:
        """Return one clip."""
        start, end = self._bounds[index]
        return np.asarray(self._samples[start:end], np.float32) / np.float32(_FULL_SCALE)

    def __getstate__(self) -> dict[str, object]:
        """Leave the samples out: a spawned worker maps the same file."""
        return {name: value for name, value in vars(self).items() if name != "_samples"}

    def pick(self, indices: Iterable[int]) -> Self:
        """Return some of the clips as a cache of their own, over the same file."""
        indices = list(indices)
        picked = object.__new__(type(self))
        picked.faults, picked._data = [], self._data
        picked.digests = [self.digests[i] for i in indices]
        picked._bounds = [self._bounds[i] for i in indices]
        return picked


def fault_table(faults: Sequence[Fault], total: int, most: int = 20) -> str:
    """Return a table of unfit clips, `most` rows at most."""
    width = max(len(fault.kind) for fault in faults)
    rows = [f"  {fault.kind:{width}}  {fault.path}  ({fault.detail})" for fault in faults[:most]]
    if len(faults) > most:
        rows.append(f"  and {len(faults) - most} more")
    return "\n".join([f"{len(faults)} of {total} clips are unfit for training:", *rows])


def _read_index(data: Path, clips: int) -> _Index | None:
    """Return the index of a cache on the disk; None if there is none, or it is damaged."""
    listing = data.with_suffix(".json")
    if not data.exists() and not listing.exists():
        return None
    try:
        kept = json.loads(listing.read_bytes())
        index = _Index(kept["ends"], kept["digests"], [Fault(*row) for row in kept["faults"]])
        sizes = np.diff([0, *index.ends])
        is_whole = (
            len(index.ends) == len(index.digests) == clips
            and data.stat().st_size == 2 * (index.ends or [0])[-1]
            and sizes.dtype.kind in "iu"
            and np.all(sizes >= 0)
            and all(isinstance(text, str) for row in (index.digests, *index.faults) for text in row)
        )
        damage = "" if is_whole else "the samples do not match their index"
    except (OSError, ValueError, KeyError, TypeError, IndexError, RecursionError) as error:
        damage = f"{type(error).__name__}: {error}"
    if not damage:
        return index
    logger.warning("decoded audio in %s is not whole (%s): decoding again", data, damage)
    return None


def _are_readable_now(faults: Sequence[Fault], paths: Sequence[Path]) -> bool:
    """Return whether clips that were unreadable no longer are: a decoder or a permission came."""
    names = {fault.path for fault in faults if fault.kind == _UNREADABLE}
    for path in paths if names else ():
        if printable(path) in names:
            found = _decode(path)
            if not isinstance(found, Fault) or found.kind != _UNREADABLE:
                return True
    return False


def _fingerprint(paths: Sequence[Path]) -> str:
    digest = hashlib.sha256(f"{SAMPLE_RATE} {__version__}".encode())
    for path in paths:
        try:
            stat = path.stat()
            state = f"{stat.st_size}\0{stat.st_mtime_ns}"
        except (OSError, ValueError):
            state = "missing"
        # Not path.resolve: a link to itself stops it.
        digest.update(os.fsencode(f"{os.path.realpath(path)}\0{state}\n"))
    return digest.hexdigest()[:32]


def _decode(path: Path) -> _Samples | Fault:
    try:
        samples = read_audio(path, SAMPLE_RATE)
    except AudioError as error:
        return Fault(printable(path), _UNREADABLE, printable(str(error)))
    if samples.size < MIN_CLIP_S * SAMPLE_RATE:
        seconds = samples.size / SAMPLE_RATE
        return Fault(printable(path), "too short", f"{seconds:.2f} s, under {MIN_CLIP_S} s")
    if not np.any(samples):
        return Fault(printable(path), "silent", "every sample is zero")
    return np.asarray(np.rint(samples.clip(-1, 1) * _FULL_SCALE), np.int16)


def _decode_in_threads(paths: Sequence[Path]) -> Iterator[_Samples | Fault]:
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as threads:
        for first in range(0, len(paths), _BLOCK):  # so that few decoded clips wait in memory
            yield from threads.map(_decode, paths[first : first + _BLOCK])


def _decode_all(paths: Sequence[Path], data: Path) -> _Index:
    ends, digests, faults, end = [], [], [], 0
    try:
        data.parent.mkdir(parents=True, exist_ok=True)
        with replacing(data) as file:
            for decoded in tracked(_decode_in_threads(paths), "decoding", len(paths)):
                content = b"" if isinstance(decoded, Fault) else decoded.tobytes()
                if isinstance(decoded, Fault):
                    faults.append(decoded)
                file.write(content)
                end += len(content) // 2
                ends.append(end)
                digests.append(hashlib.sha256(content).hexdigest()[:16])
            # The index comes first: a cache whose samples exist is whole.
            index = _Index(ends, digests, faults)
            with replacing(data.with_suffix(".json")) as listing:
                listing.write(json.dumps(index._asdict()).encode())
    except OSError as error:
        msg = (
            f"cannot keep decoded audio in {data.parent}: {error.strerror} after {end * 2e-6:.0f} "
            "MB; free space (an hour takes 115 MB), or let SER_RT_CACHE name another folder"
        )
        raise OutputError(msg) from error
    return index
