"""Execution providers that are packages of their own, on the CPU build of onnxruntime.

https://onnxruntime.ai/docs/execution-providers/plugin-ep-libraries/
"""

from __future__ import annotations

import sys
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from ser_rt.errors import ProviderError

_OLDEST = (1, 24)
"""onnxruntime that can register them."""


@dataclass(frozen=True)
class Plugin:
    """A package that brings an execution provider.

    Attributes:
        extra: What installs it: ``ser-rt[cpu,EXTRA]``.
        module: What is imported; it says where its library is.
        ep_name: onnxruntime's name of the provider.
        needs: What to do where it finds no device.
    """

    extra: str
    module: str
    ep_name: str
    needs: str


RTX = Plugin(
    "tensorrt-rtx",
    "onnxruntime_ep_nv_tensorrt_rtx",
    "NvTensorRTRTXExecutionProvider",
    "it needs an NVIDIA card and a driver with CUDA 13: see nvidia-smi",
)
WEBGPU = Plugin(
    "webgpu",
    "onnxruntime_ep_webgpu",
    "WebGpuExecutionProvider",
    "it needs a graphics card and, on Linux, Vulkan (libvulkan.so.1 and the card's driver): see "
    "vulkaninfo",
)


def devices(ort: Any, plugin: Plugin) -> list[Any]:
    """Return the devices that a plugin runs on, as onnxruntime knows them.

    Raises:
        ProviderError: It is not installed, does not load, or finds no device.
    """
    _register(ort, plugin)
    found = [device for device in ort.get_ep_devices() if device.ep_name == plugin.ep_name]
    if not found:
        msg = f"{plugin.ep_name} is installed and finds no device: {plugin.needs}"
        raise ProviderError(msg)
    return found


def _register(ort: Any, plugin: Plugin) -> None:
    """Make onnxruntime know a plugin; a second time changes nothing."""
    install = f"pip install 'ser-rt[cpu,{plugin.extra}]'"
    if tuple(map(int, ort.__version__.split(".")[:2])) < _OLDEST:
        msg = f"onnxruntime {ort.__version__} takes no plugins: pip install -U onnxruntime"
        raise ProviderError(msg)
    if find_spec(plugin.module) is None:
        msg = f"{plugin.ep_name} is not installed: {install}"
        raise ProviderError(msg)
    try:
        module = import_module(plugin.module)
        ort.register_execution_provider_library(plugin.ep_name, module.get_library_path())
    except Exception as error:  # onnxruntime's own errors have no common base below Exception
        if "already registered" in str(error):
            return
        cause = " ".join(str(error).split())[:300]
        remedy = plugin.needs if _lacks_driver(cause) else f"{install}, with --force-reinstall"
        msg = f"{plugin.ep_name} does not load ({cause}): {remedy}"
        raise ProviderError(msg) from error


def _lacks_driver(cause: str) -> bool:
    drivers = ("nvcuda", "vulkan") if sys.platform == "win32" else ("libcuda.so", "libvulkan.so")
    return any(driver in cause for driver in drivers)


def named(device: Any) -> str:
    """Return the name of a device, as its driver tells it, else its maker and number."""
    told = {}
    with suppress(AttributeError):
        told = dict(device.device.metadata)
    fallback = f"{device.device.vendor or 'unknown'} {device.device.device_id:#06x}"
    return str(told.get("Description") or told.get("name") or fallback)
