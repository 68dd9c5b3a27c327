"""Where a model runs: one function per execution provider, one entry each in `PROVIDERS`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from ser_rt.errors import MissingDependencyError


class Execution(NamedTuple):
    """An onnxruntime execution provider, its options, and what to do if it does not come up."""

    name: str
    options: dict[str, Any]
    remedy: str

    @property
    def short_name(self) -> str:
        """Name as in `PROVIDERS`: ``cpu``."""
        return self.name.removesuffix("ExecutionProvider").lower()


def cpu() -> list[Execution]:
    """Run on the processor."""
    return [Execution("CPUExecutionProvider", {}, "reinstall onnxruntime: pip install ser-rt[cpu]")]


def cuda() -> list[Execution]:
    """Run on an NVIDIA GPU, or fail."""
    # Lengths vary while a stream begins: an exhaustive search would run anew for each.
    options = {"cudnn_conv_algo_search": "HEURISTIC"}
    remedy = (
        "it needs an NVIDIA GPU with its driver, CUDA and cuDNN, and onnxruntime-gpu in place of "
        "onnxruntime: pip uninstall onnxruntime; pip install ser-rt[gpu]"
    )
    return [Execution("CUDAExecutionProvider", options, remedy)]


def auto() -> list[Execution]:
    """Run on the best that comes up."""
    return [*cuda(), *cpu()]


PROVIDERS: dict[str, Callable[[], list[Execution]]] = {"cpu": cpu, "cuda": cuda, "auto": auto}
"""Each returns what to try, best first."""


def onnxruntime() -> Any:  # noqa: ANN401 (it ships no types)
    """Import onnxruntime, or say which extra brings it."""
    try:
        import onnxruntime as module  # noqa: PLC0415 (a command line must start without it)
    except ImportError as error:
        msg = f"onnxruntime does not load ({error}): pip install 'ser-rt[cpu]' or 'ser-rt[gpu]'"
        raise MissingDependencyError(msg) from error
    return module
