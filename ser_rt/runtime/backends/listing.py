"""List of the providers that come up on this machine, and what is missing for the others."""

from __future__ import annotations

from typing import NamedTuple

from ser_rt.bundle import Bundle, find_bundle
from ser_rt.errors import SerError
from ser_rt.runtime.backends.onnx_classifier import OnnxClassifier
from ser_rt.runtime.backends.ort import onnxruntime
from ser_rt.runtime.backends.plugins import devices, named
from ser_rt.runtime.backends.providers import PROVIDERS, SINGLE_PROVIDERS, Workload
from ser_rt.runtime.backends.tensorrt import gpu_and_driver


class Listed(NamedTuple):
    """A provider, and whether it came up."""

    provider: str
    ok: bool
    device: str
    """Name of the device; empty where it did not come up."""
    problem: str
    """Why it did not come up, and what to do."""


_MODEL = "compact"
"""A built-in model in fp32, which every provider takes."""


def list_providers() -> list[Listed]:
    """Open a built-in model on every provider."""
    bundle = Bundle.load(find_bundle(_MODEL))
    return [_listed(name, bundle) for name in SINGLE_PROVIDERS]


def _listed(name: str, bundle: Bundle) -> Listed:
    try:
        OnnxClassifier(bundle, name)
        return Listed(name, ok=True, device=_device(name, bundle), problem="")
    except SerError as error:
        return Listed(name, ok=False, device="", problem=str(error))


def _device(name: str, bundle: Bundle) -> str:
    plugin = PROVIDERS[name].executions(Workload(bundle))[0].plugin
    if plugin is not None:
        return named(devices(onnxruntime(), plugin)[0])
    return "the processor" if PROVIDERS[name].device == "cpu" else gpu_and_driver()[0]
