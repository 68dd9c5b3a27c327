"""One ONNX graph, opened by OpenVINO on the processor.

https://docs.openvino.ai/2026/openvino-workflow/running-inference.html
"""

from __future__ import annotations

import threading
from typing import Any

from ser_rt.classifier import Caches, FloatArray
from ser_rt.errors import ProviderError
from ser_rt.runtime.backends.graphs import FEATURES, NO_CACHES, Graph
from ser_rt.runtime.backends.openvino_graph import rearrange


class OpenVinoSession:
    """A graph that is ready to run. Calls may come from many threads at once.

    An int8 graph is compiled for the usual shape alone, which is faster, and once more for all
    others when the first of them comes.
    """

    def __init__(self, graph: Graph, threads: int, *, int8: bool = False) -> None:
        """Compile a graph; ``threads`` of one call, 0 for every core.

        Raises:
            ProviderError: OpenVINO is not installed, or cannot run this graph.
        """
        try:
            import openvino
        except ImportError as error:
            msg = f"OpenVINO does not load ({error}): pip install 'ser-rt[openvino]'"
            raise ProviderError(msg) from error
        self._core, self._graph = openvino.Core(), graph
        self._settings: dict[str, Any] = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": threads,
        }
        if not (int8 and graph.input == FEATURES):
            # It would compute in bfloat16 where the processor can: what int8 leaves open bears
            # that, but not the signal, and other precisions are the bundle's own.
            self._settings["INFERENCE_PRECISION_HINT"] = "f32"
        self._own, self._lock = threading.local(), threading.Lock()
        self._other: Any = None
        self._only = graph.usual if int8 else None
        try:
            self._main = self._compile_usual() if int8 else self._compile()
        except RuntimeError as error:
            cause = " ".join(str(error).split())[:300]
            msg = f"OpenVINO cannot run {graph.path}: {cause}; use --provider cpu"
            raise ProviderError(msg) from error

    @property
    def inputs(self) -> list[str]:
        """Names of the inputs."""
        return [x.get_any_name() for x in self._main.inputs]

    @property
    def outputs(self) -> dict[str, list[int | str]]:
        """Shape of each output; axes that are free have a text."""
        return {
            x.get_any_name(): [
                axis.get_length() if axis.is_static else axis.to_string()
                for axis in x.get_partial_shape()
            ]
            for x in self._main.outputs
        }

    @property
    def nodes(self) -> dict[str, int]:
        """Number of nodes of the compiled graph."""
        return {"OpenVINO": len(self._main.get_runtime_model().get_ops())}

    def run(
        self, names: list[str], values: FloatArray, caches: Caches = NO_CACHES
    ) -> list[FloatArray]:
        """Return outputs by name, given the first input, and the others by name."""
        given = {self._graph.input: values, **caches}
        found = self._request(values.shape).infer(given, share_inputs=True)
        return [found[name] for name in names]

    def _request(self, shape: tuple[int, ...]) -> Any:
        """Return this thread's own request for a shape."""
        name = "main" if self._only in {None, shape} else "other"
        request = getattr(self._own, name, None)
        if request is None:
            compiled = self._main if name == "main" else self._compile_other()
            request = compiled.create_infer_request()
            setattr(self._own, name, request)
        return request

    def _compile_usual(self) -> Any:
        # Mapped weights would stay in memory beside what is made of them.
        model = self._core.read_model(self._graph.path, config={"ENABLE_MMAP": False})
        model.reshape(
            {name: list(shape) for name, shape in self._graph.shapes(self._graph.usual).items()}
        )
        rearrange(model)
        return self._core.compile_model(model, "CPU", self._settings)

    def _compile_other(self) -> Any:
        with self._lock:
            if self._other is None:
                self._other = self._compile()
            return self._other

    def _compile(self) -> Any:
        return self._core.compile_model(str(self._graph.path), "CPU", self._settings)
