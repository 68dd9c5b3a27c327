"""Execution providers that are packages of their own, on the CPU build of onnxruntime.

https://onnxruntime.ai/docs/execution-providers/plugin-ep-libraries/
"""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from ser_rt.errors import ProviderError

_OLDEST = (1, 24)
"""onnxruntime that can register them."""


@dataclass(frozen=True)
class Plugin:
    """A package that holds an execution provider.

    Attributes:
        extra: Name of the extra that installs it: ``ser-rt[cpu,EXTRA]``.
        module: Python module, which knows the path of its library.
        ep_name: onnxruntime's name of the provider.
        needs: Advice where it finds no device.
        is_tried_first: Whether a process of its own tries it before ours does: where the graphics
            driver is not whole, it ends the process.
    """

    extra: str
    module: str
    ep_name: str
    needs: str
    is_tried_first: bool = False


RTX = Plugin(
    "tensorrt-rtx",
    "onnxruntime_ep_nv_tensorrt_rtx",
    "NvTensorRTRTXExecutionProvider",
    "it needs an RTX card (it finds none in an H200: take cuda there) and a driver with CUDA 13, "
    "see nvidia-smi",
)
WEBGPU = Plugin(
    "webgpu",
    "onnxruntime_ep_webgpu",
    "WebGpuExecutionProvider",
    "it needs a graphics card and, on Linux, Vulkan (libvulkan.so.1 and the card's driver): see "
    "vulkaninfo",
    is_tried_first=True,
)

_TRIAL = """
import importlib, sys
import numpy, onnxruntime
module, name = importlib.import_module(sys.argv[1]), sys.argv[2]
onnxruntime.register_execution_provider_library(name, module.get_library_path())
options = onnxruntime.SessionOptions()
devices = [d for d in onnxruntime.get_ep_devices() if d.ep_name == name]
options.add_provider_for_devices(devices[:1], {})
session = onnxruntime.InferenceSession(bytes.fromhex(sys.argv[3]), options, enable_fallback=0)
session.run(None, {"x": numpy.ones(1, numpy.float32)})
"""
_SUM = (
    "08083a350a0e0a01780a017812017922034164641201675a0f0a0178120a0a08080112040a02"
    "0801620f0a0179120a0a08080112040a02080142040a00100e"
)
"""An ONNX graph, y = x + x."""
_TRIAL_S = 60.0


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
    if plugin.is_tried_first and (trouble := _trouble(plugin)):
        msg = f"{plugin.ep_name} finds a device and does not start ({trouble}): {plugin.needs}"
        raise ProviderError(msg)
    return found


@cache
def _trouble(plugin: Plugin) -> str:
    """Add two numbers with a plugin in a process of its own; return what went wrong, or ""."""
    command = [sys.executable, "-c", _TRIAL, plugin.module, plugin.ep_name, _SUM]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_TRIAL_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)[:300]
    if not done.returncode:
        return ""
    printed = " ".join(done.stderr.split())[-300:]
    return printed or f"its process ended with {done.returncode}"


def _register(ort: Any, plugin: Plugin) -> None:
    """Register a plugin with onnxruntime; a second time changes nothing."""
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
    """Return the name of a device, as its driver reports it, else its maker and number."""
    metadata = {}
    with suppress(AttributeError):
        metadata = dict(device.device.metadata)
    fallback = f"{device.device.vendor or 'unknown'} {device.device.device_id:#06x}"
    return str(metadata.get("Description") or metadata.get("name") or fallback)
