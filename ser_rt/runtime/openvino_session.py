"""One ONNX graph, opened by OpenVINO on the processor.

https://docs.openvino.ai/2025/openvino-workflow/running-inference.html
"""

from __future__ import annotations

import threading
from typing import Any

from ser_rt.classifier import FloatArray
from ser_rt.errors import ProviderError
from ser_rt.runtime.graphs import Graph


class OpenVinoSession:
    """A graph that is ready to run. Calls may come from many threads at once."""

    def __init__(self, graph: Graph, threads: int) -> None:
        """Compile a graph; ``threads`` of one call, 0 for every core.

        Raises:
            ProviderError: OpenVINO is not installed, or cannot run this graph.
        """
        try:
            import openvino  # noqa: PLC0415 (an extra)
        except ImportError as error:
            msg = f"OpenVINO does not load ({error}): pip install 'ser-rt[openvino]'"
            raise ProviderError(msg) from error
        settings: dict[str, Any] = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": threads,
            # It would compute in bfloat16 where the processor can: a bundle's precision is its own.
            "INFERENCE_PRECISION_HINT": "f32",
        }
        try:
            self._model = openvino.Core().compile_model(str(graph.path), "CPU", settings)
        except RuntimeError as error:
            cause = " ".join(str(error).split())[:300]
            msg = f"OpenVINO cannot run {graph.path}: {cause}; use --provider cpu"
            raise ProviderError(msg) from error
        self._input = graph.input
        self._own = threading.local()

    @property
    def inputs(self) -> list[str]:
        """Names of the inputs."""
        return [x.get_any_name() for x in self._model.inputs]

    @property
    def outputs(self) -> dict[str, list[int | str]]:
        """Shape of each output; axes that are free have a text."""
        return {
            x.get_any_name(): [
                axis.get_length() if axis.is_static else axis.to_string()
                for axis in x.get_partial_shape()
            ]
            for x in self._model.outputs
        }

    @property
    def nodes(self) -> dict[str, int]:
        """Number of nodes of the compiled graph."""
        return {"OpenVINO": len(self._model.get_runtime_model().get_ops())}

    def run(self, names: list[str], values: FloatArray) -> list[FloatArray]:
        """Return outputs by name, given the one input."""
        request = getattr(self._own, "request", None)
        if request is None:
            request = self._own.request = self._model.create_infer_request()
        found = request.infer({self._input: values}, share_inputs=True)
        return [found[name] for name in names]
