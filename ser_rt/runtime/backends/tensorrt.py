"""Options of TensorRT: the shapes to compile for, and the folder that keeps compiled engines.

An engine fits one GPU, driver and TensorRT, one network, the parts that onnxruntime made of it, and
the shapes it was compiled for: the folder is named after them all.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path, PurePath

from ser_rt.bundle import Bundle
from ser_rt.constants import MOST_AT_ONCE, SHORTEST_INPUT_S
from ser_rt.errors import OutputError, requires
from ser_rt.runtime.backends.graphs import Graph, Shape
from ser_rt.runtime.backends.ort import onnxruntime

Options = dict[str, str]

_UNKNOWN = "unknown"
_CACHE, _RTX_CACHE = "trt_engine_cache_path", "nv_runtime_cache_path"


def tensorrt_options(bundle: Bundle, graph: Graph) -> Options:
    """Return the options of onnxruntime's TensorRT provider for one graph of a bundle.

    One narrow profile: from the shortest to the full window, best at the shape that a stream uses
    most. A wide one can make a transformer twice as slow.

    Raises:
        OutputError: The cache folder cannot be made.
    """
    folder = _make(cache_folder(bundle))
    options = {
        "trt_profile_min_shapes": profile(graph.shapes(graph.least)),
        "trt_profile_opt_shapes": profile(graph.shapes(graph.usual)),
        "trt_profile_max_shapes": profile(graph.shapes(graph.most)),
        "trt_engine_cache_enable": "1",
        _CACHE: str(folder),
        "trt_engine_cache_prefix": graph.path.stem,
        "trt_timing_cache_enable": "1",
        "trt_timing_cache_path": str(folder),
    }
    if bundle.precision == "fp16":
        # LayerNormalization squares its input: 16 bits overflow to finite but wrong values.
        options |= {"trt_fp16_enable": "1", "trt_layer_norm_fp32_fallback": "1"}
    return options


def rtx_options(bundle: Bundle, graph: Graph) -> Options:
    """Return the options of TensorRT for RTX for one graph of a bundle; types are the graph's.

    Raises:
        OutputError: The cache folder cannot be made.
    """
    return {
        "nv_profile_min_shapes": profile(graph.shapes(graph.least)),
        "nv_profile_opt_shapes": profile(graph.shapes(graph.usual)),
        "nv_profile_max_shapes": profile(graph.shapes(graph.most)),
        _RTX_CACHE: str(_make(cache_folder(bundle) / f"rtx-{graph.path.stem}")),
    }


def _make(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        msg = f"TensorRT's engines cannot be kept in {folder}: {error.strerror}"
        raise OutputError(msg) from error
    return folder


def discard_empty_cache(options: Options) -> None:
    """Remove the cache folder that an attempt which failed has made, unless it holds something."""
    for key in (_CACHE, _RTX_CACHE):
        with suppress(KeyError, OSError):
            os.removedirs(options[key])


def profile(shapes: Mapping[str, Shape]) -> str:
    """Write the shapes of inputs as TensorRT's provider reads them.

    >>> profile({"audio": (1, 8000), "frames_done": (1,)})
    'audio:1x8000,frames_done:1'
    """
    return ",".join(f"{name}:{'x'.join(map(str, shape))}" for name, shape in shapes.items())


def cache_folder(bundle: Bundle) -> Path:
    """Return the user's cache folder for engines of this bundle on this machine."""
    with requires("platformdirs"):
        from platformdirs import user_cache_path

    software = (tensorrt_version(), onnxruntime().__version__, SHORTEST_INPUT_S, MOST_AT_ONCE)
    machine = hashlib.sha256("\n".join(map(str, (*gpu_and_driver(), *software))).encode())
    return (
        user_cache_path("ser-rt", appauthor=False)
        / "tensorrt"
        / (f"{PurePath(bundle.name).name}-{bundle.sha256[:16]}-{machine.hexdigest()[:16]}")
    )


@cache
def gpu_and_driver() -> tuple[str, str]:
    """Return name of the first GPU and version of its driver, as ``nvidia-smi`` prints them."""
    query = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    with suppress(OSError, subprocess.SubprocessError, ValueError, IndexError):
        done = subprocess.run(query, capture_output=True, text=True, timeout=20, check=True)
        name, driver = done.stdout.splitlines()[0].rsplit(",", 1)
        return name.strip(), driver.strip()
    return _UNKNOWN, _UNKNOWN


@cache
def tensorrt_version() -> str:
    """Return the version number that TensorRT's library gives."""
    names = ["nvinfer_10.dll"] if sys.platform == "win32" else ["libnvinfer.so.10"]
    for name in names:
        with suppress(OSError, AttributeError):
            return str(ctypes.CDLL(name).getInferLibVersion())
    return _UNKNOWN
