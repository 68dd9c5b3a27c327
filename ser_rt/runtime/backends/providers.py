"""Execution providers: one function each, and one record each in `PROVIDERS`.

Options are those of https://onnxruntime.ai/docs/execution-providers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal

from ser_rt.constants import MOST_AT_ONCE
from ser_rt.errors import ConfigError, ProviderError
from ser_rt.runtime.backends.plugins import RTX, WEBGPU, Plugin

if TYPE_CHECKING:  # command lines read the names below, and must start without numpy
    from ser_rt.bundle import Bundle
    from ser_rt.runtime.backends.graphs import Graph, OpenGraph
    from ser_rt.runtime.backends.tensorrt import Options

CPU = "CPUExecutionProvider"
CUDA = "CUDAExecutionProvider"
TENSORRT = "TensorrtExecutionProvider"

ProviderName = Literal["cpu", "cuda", "tensorrt", "tensorrt-rtx", "webgpu", "openvino", "auto"]
"""The keys of `PROVIDERS`, for type checkers."""


@dataclass(frozen=True)
class Workload:
    """A bundle, and the shapes of its calls."""

    bundle: Bundle
    fixed_lengths: bool = False
    """Whether calls have a few shapes that come again and again."""


@dataclass(frozen=True)
class Execution:
    """One way to run graphs."""

    short_name: str
    """Name as in `PROVIDERS`: ``cpu``."""
    name: str
    """onnxruntime's name: ``CPUExecutionProvider``."""
    providers: Callable[[Graph], list[tuple[str, Options]]]
    """onnxruntime's providers and their options, best first."""
    captures: bool = False
    """Whether calls of the same shape are captured as one CUDA graph."""
    limits_shapes: bool = False
    """Whether a graph takes only shapes between its least and its most."""
    plugin: Plugin | None = None
    """Package of the provider, where it is not part of onnxruntime."""
    device: str | None = None
    """onnxruntime's name of the memory in which a stream's caches stay; None for arrays."""
    open: Callable[[Graph, int], OpenGraph] | None = None
    """Opens a graph for a number of threads; None for onnxruntime."""


@dataclass(frozen=True)
class Provider:
    """An execution provider.

    Attributes:
        executions: Returns what to try, best first, or raises `ProviderError` for a bundle that
            it cannot run.
        device: Where models run; None where that is known only when one has been opened.
        compiles: Whether it compiles a graph for its batches, at most `MOST_AT_ONCE`.
    """

    executions: Callable[[Workload], list[Execution]]
    device: Literal["cpu", "gpu"] | None
    compiles: bool = False

    def batch(self, wanted: int | None = None) -> int:
        """Return the most windows of one call: those wanted, or those that suit it.

        On a CPU, several take as long as a call for each.

        Raises:
            ConfigError: It cannot take so many.
        """
        if wanted is None:
            return 1 if self.device == "cpu" else MOST_AT_ONCE
        if self.compiles and wanted > MOST_AT_ONCE:
            msg = f"max_batch is {wanted}, and this provider takes at most {MOST_AT_ONCE} windows"
            raise ConfigError(msg)
        return wanted


def cpu(_: Workload) -> list[Execution]:
    """Run on the CPU."""
    return [Execution("cpu", CPU, lambda _: [(CPU, {})])]


def cuda(load: Workload) -> list[Execution]:
    """Run on an NVIDIA GPU: captured as CUDA graphs where the network allows it, else as it is.

    A search for the fastest convolution takes its time for every new shape: it is for shapes that
    come again. Lengths vary while a stream begins and when it ends.
    """
    _refuse_int8(load.bundle, "cuda")
    options = {
        "cudnn_conv_algo_search": "EXHAUSTIVE" if load.fixed_lengths else "HEURISTIC",
        # Else cuDNN finds no kernel for the grouped convolution of wav2vec2 in half precision.
        "cudnn_conv1d_pad_to_nc1d": "1",
    }
    captured = options | {"enable_cuda_graph": "1"}
    return [
        Execution("cuda", CUDA, lambda _: [(CUDA, captured)], captures=True),
        Execution("cuda", CUDA, lambda _: [(CUDA, options)], device="cuda"),
    ]


def tensorrt(load: Workload) -> list[Execution]:
    """Compile for an NVIDIA GPU with TensorRT, which takes minutes once; CUDA runs the rest."""
    from ser_rt.runtime.backends.tensorrt import tensorrt_options

    bundle = load.bundle
    _refuse_int8(bundle, "tensorrt")
    rest = cuda(Workload(bundle))[-1]
    return [
        Execution(
            "tensorrt",
            TENSORRT,
            lambda graph: [(TENSORRT, tensorrt_options(bundle, graph)), *rest.providers(graph)],
            limits_shapes=True,
            device="cuda",
        )
    ]


def tensorrt_rtx(load: Workload) -> list[Execution]:
    """Compile for an NVIDIA card with TensorRT for RTX, in seconds; the driver is all it needs."""
    from ser_rt.runtime.backends.tensorrt import rtx_options

    bundle = load.bundle
    _refuse_int8(bundle, "tensorrt-rtx")
    return [
        Execution(
            "tensorrt-rtx",
            RTX.ep_name,
            lambda graph: [(RTX.ep_name, rtx_options(bundle, graph))],
            limits_shapes=True,
            plugin=RTX,
        )
    ]


def webgpu(load: Workload) -> list[Execution]:
    """Run on any graphics card, through Vulkan, Metal or Direct3D 12."""
    _refuse_int8(load.bundle, "webgpu")
    return [Execution("webgpu", WEBGPU.ep_name, lambda _: [(WEBGPU.ep_name, {})], plugin=WEBGPU)]


def openvino(load: Workload) -> list[Execution]:
    """Run on the CPU with OpenVINO: another set of kernels, faster for some networks."""
    from ser_rt.runtime.backends.openvino_session import OpenVinoSession

    session = partial(OpenVinoSession, int8=load.bundle.precision == "int8")
    return [Execution("openvino", "OpenVINO", lambda _: [], open=session)]


def auto(load: Workload) -> list[Execution]:
    """Run on CUDA, else on the CPU; not on TensorRT, which compiles for minutes."""
    try:
        gpu = cuda(load)
    except ProviderError:
        gpu = []
    return [*gpu, *cpu(load)]


PROVIDERS: dict[str, Provider] = {
    "cpu": Provider(cpu, "cpu"),
    "cuda": Provider(cuda, "gpu"),
    "tensorrt": Provider(tensorrt, "gpu", compiles=True),
    "tensorrt-rtx": Provider(tensorrt_rtx, "gpu", compiles=True),
    "webgpu": Provider(webgpu, "gpu"),
    "openvino": Provider(openvino, "cpu"),
    "auto": Provider(auto, None),
}

SINGLE_PROVIDERS = tuple(name for name in PROVIDERS if name != "auto")
"""Providers that name one way to run a model."""


def _refuse_int8(bundle: Bundle, provider: str) -> None:
    if bundle.precision == "int8":
        raise ProviderError(int8_on(provider, bundle))


def int8_on(provider: str, bundle: Bundle) -> str:
    """Return why a GPU does not run an int8 bundle, and what to do."""
    from ser_rt.bundle import built_in_bundles

    is_built_in = built_in_bundles().get(bundle.name) == bundle.folder
    source = bundle.name if is_built_in else bundle.folder
    return (
        f"{bundle.name} is an int8 bundle, and {provider} has no fast kernels for it: run it "
        f"with --provider cpu, or make one for {provider}: ser-export {source} --precision "
        f"fp16 --out {bundle.name}-fp16"
    )
