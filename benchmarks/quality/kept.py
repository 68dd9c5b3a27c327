"""`kept`: arrays that took long to compute, kept in the user's cache folder."""

from __future__ import annotations

import hashlib
import logging
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ser_rt.errors import OutputError
from ser_rt.files.names import printable
from ser_rt.files.writing import replacing
from ser_rt.training.data.decoded_cache import cache_folder

Array = npt.NDArray[Any]
Arrays = dict[str, Array]

logger = logging.getLogger(__name__)


def kept(kind: str, key: Iterable[object], make: Callable[[], Arrays]) -> Arrays:
    """Return what `make` returned for this kind and key before; else call it, and keep the result.

    A damaged file is made again.

    Args:
        kind: name of the file's folder.
        key: all that the arrays depend on; an array counts by its values.
        make: computes them.

    Raises:
        OutputError: they cannot be written.
    """
    path = cache_folder().parent / "quality" / kind / f"{_digest(key)}.npz"
    if path.exists():
        try:
            with np.load(path, allow_pickle=False) as file:
                return {name: file[name] for name in file.files}
        except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
            logger.warning("%s is damaged (%s): computing it again", printable(path), error)
    arrays = make()
    try:
        _write(path, arrays)
    except OSError as error:
        msg = (
            f"cannot keep {printable(path)}: {error.strerror}; free space, or let SER_RT_CACHE "
            "name another folder"
        )
        raise OutputError(msg) from error
    return arrays


def _write(path: Path, arrays: Arrays) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]  # a name could be allow_pickle


def _digest(key: Iterable[object]) -> str:
    digest = hashlib.sha256()
    for part in key:
        if isinstance(part, np.ndarray):
            digest.update(f"{part.dtype} {part.shape}\n".encode())
            digest.update(np.ascontiguousarray(part).tobytes())
        else:
            digest.update(f"{part!r}\n".encode())
    return digest.hexdigest()[:32]
