"""Diagnosis of a provider that did not come up; onnxruntime itself only logs that it fell back.

onnxruntime-gpu 1.31 on a machine without a GPU lists CUDA and TensorRT, opens a session, and runs
on the CPU.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

_IS_WINDOWS = sys.platform == "win32"
_DRIVER = "nvcuda.dll" if _IS_WINDOWS else "libcuda.so.1"
_PART = "onnxruntime_providers_{}.dll" if _IS_WINDOWS else "libonnxruntime_providers_{}.so"
_BUILDS = ("onnxruntime", "onnxruntime-gpu")

_INSTALL = "pip uninstall onnxruntime onnxruntime-gpu; pip install 'ser-rt[gpu]'"
_LIBRARIES = "pip install 'ser-rt[gpu]' installs CUDA and cuDNN"
_TENSORRT = (
    "install TensorRT 10 (https://docs.nvidia.com/deeplearning/tensorrt) where libraries are "
    "looked for, such as LD_LIBRARY_PATH"
)

Load = Callable[[str], Any]


def trouble(ort: Any, provider: str, otherwise: str, load: Load = ctypes.CDLL) -> str:
    """Return why onnxruntime does not run on a provider, and what to do.

    Args:
        ort: The module onnxruntime.
        provider: Its name of the provider: ``CUDAExecutionProvider``.
        otherwise: The reason if package, driver, GPU and libraries are as they should be.
        load: Opens a dynamic library, or raises OSError.
    """
    if provider not in ort.get_available_providers():
        return f"{_builds()} {provider}: {_INSTALL}"
    return (
        _no_gpu(load)
        or _missing_library(Path(ort.__file__).parent / "capi", provider, load)
        or otherwise
    )


def _builds() -> str:
    builds = [f"{name} {found}" for name in _BUILDS if (found := _version(name))]
    if len(builds) > 1:
        return f"{' and '.join(builds)} are both installed, and one overwrote the other's"
    return f"{''.join(builds) or 'this onnxruntime'} was built without"


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _no_gpu(load: Load) -> str | None:
    try:
        driver = load(_DRIVER)
    except OSError:
        return f"there is no NVIDIA driver ({_DRIVER}): install it, or run with --provider cpu"
    count = ctypes.c_int(0)
    status = driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count))
    if status or not count.value:
        return (
            f"the NVIDIA driver finds no GPU (CUDA error {status}): see nvidia-smi, give a "
            "container its GPU (docker run --gpus all), or run with --provider cpu"
        )
    return None


def _missing_library(folder: Path, provider: str, load: Load) -> str | None:
    """Open the provider's own library: the system reports what it lacks."""
    short = provider.removesuffix("ExecutionProvider").lower()
    try:
        for part in ("shared", short):
            load(str(folder / _PART.format(part)))
    except OSError as error:
        remedy = _TENSORRT if "nvinfer" in str(error) or "nvonnx" in str(error) else _LIBRARIES
        return f"a library does not load ({error}): {remedy}"
    return None
