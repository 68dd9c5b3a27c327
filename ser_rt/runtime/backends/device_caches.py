"""`run_on_device`: a hop whose caches stay in the memory of the device that computes it.

Else a hop would move a stream's caches to the device and back: 3 MB each way for the built-in
`base`, 40 for a network of 317 M parameters. Between hops such a cache is onnxruntime's OrtValue.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ser_rt.classifier import Caches, FloatArray
from ser_rt.runtime.backends.graphs import Graph


def run_on_device(
    session: Any, device: str, graph: Graph, names: list[str], values: FloatArray, caches: Caches
) -> list[Any]:
    """Return outputs by name: arrays, but for the next caches, which stay on the device.

    Args:
        session: onnxruntime's, of a graph with caches.
        device: onnxruntime's name of where it runs: ``cuda``.
        graph: What the session has opened.
        names: Of the outputs.
        values: The first input.
        caches: The others by name: arrays of a fresh stream, or what an earlier call left.
    """
    kept = {cache.next_name for cache in graph.caches}
    binding = session.io_binding()
    binding.bind_cpu_input(graph.input, values)
    for name, cache in caches.items():
        if isinstance(cache, np.ndarray):
            binding.bind_cpu_input(name, cache)
        else:
            binding.bind_ortvalue_input(name, cache)
    for name in names:
        binding.bind_output(name, device if name in kept else "cpu")
    session.run_with_iobinding(binding)
    return [
        found if name in kept else found.numpy()
        for name, found in zip(names, binding.get_outputs(), strict=True)
    ]


def on_host(cache: Any) -> npt.NDArray[Any]:
    """Return a cache as an array, wherever it is."""
    found: npt.NDArray[Any] = cache if isinstance(cache, np.ndarray) else cache.numpy()
    return found
