"""NVIDIA's libraries, found where pip put them."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

_NAMES = ("cudart", "nvrtc", "cublasLt", "cublas", "curand", "cufft", "cudnn")
"""Each after those that it needs."""

_FILES = "{}64_*.dll" if sys.platform == "win32" else "lib{}.so.*"


def preload(ort: Any, load: Callable[[str], Any] = ctypes.CDLL) -> None:
    """Open CUDA and cuDNN, so that onnxruntime's own libraries find them open.

    onnxruntime looks into the folder that it lies in and where the system looks. PyTorch may have
    installed them in another folder of Python's path.
    """
    if hasattr(ort, "preload_dlls"):
        ort.preload_dlls()
    for path in packaged_libraries(Path(ort.__file__).parent.parent):
        with suppress(OSError):  # `diagnosis` reports what is missing
            load(str(path))


def packaged_libraries(beside: Path) -> Iterator[Path]:
    """Yield libraries of NVIDIA's packages, but those in the folder that onnxruntime lies in."""
    # Not by the import of `nvidia`: some of its packages make it a regular one, which hides others.
    for folder in map(Path, dict.fromkeys(sys.path)):
        if folder.resolve() != beside.resolve():
            for name in _NAMES:
                yield from sorted((folder / "nvidia").rglob(_FILES.format(name)))
