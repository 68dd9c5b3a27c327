"""Description of a GPU machine, and the peak rates of its GPU."""

from __future__ import annotations

import contextlib
import sys
from typing import Any

from ser_rt.benchmarks.gpu.steps import Context

_SIDE = {"cuda": 8192, "cpu": 256}
_REPEATS = 20


def environment(context: Context) -> dict[str, Any]:
    """Describe GPU, libraries and providers, and measure the ceilings."""
    import torch

    from ser_rt.runtime.backends.diagnosis import trouble
    from ser_rt.runtime.backends.gpu_libraries import preload
    from ser_rt.runtime.backends.ort import onnxruntime
    from ser_rt.runtime.backends.providers import CUDA, TENSORRT

    ort = onnxruntime()
    with contextlib.redirect_stdout(sys.stderr):
        preload(ort)
    found: dict[str, Any] = {
        "onnxruntime": ort.__version__,
        "providers": ort.get_available_providers(),
        "troubles": {name: trouble(ort, name, "") for name in (CUDA, TENSORRT)},
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),
    }
    if context.device == "cuda":
        gpu = torch.cuda.get_device_properties(0)
        found["gpu"] = {
            "name": gpu.name,
            "memory_gb": round(gpu.total_memory / 1e9, 1),
            "multiprocessors": gpu.multi_processor_count,
            "capability": f"{gpu.major}.{gpu.minor}",
        }
    return found | {"ceilings": ceilings(context.device)}


def ceilings(device: str) -> dict[str, float]:
    """Measure matrix products on random data, and copies within memory (read and written)."""
    import torch

    side = _SIDE[device]
    found = {}
    for name, dtype in (("fp16", torch.float16), ("fp32", torch.float32)):
        a, b = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
        took_s = _median_s(lambda a=a, b=b: a @ b, device)
        found[f"{name}_tflops"] = round(2 * side**3 / took_s / 1e12, 1)
    source = torch.randn(side * side * 4, device=device)
    target = torch.empty_like(source)
    took_s = _median_s(lambda: target.copy_(source), device)
    found["copy_gb_per_s"] = round(2 * source.nbytes / took_s / 1e9, 1)
    return found


def _median_s(work: Any, device: str) -> float:
    import time

    import numpy as np
    import torch

    times = []
    for _ in range(_REPEATS):
        began = time.perf_counter()
        work()
        if device == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - began)
    return float(np.median(times[3:]))
