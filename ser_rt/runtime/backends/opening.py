"""Opening the graphs of a bundle: with the first provider that comes up, and checked."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from ser_rt.bundle import Bundle
from ser_rt.classifier import Caches, FloatArray
from ser_rt.errors import BundleInvalidError, InferenceError, ProviderError, SerError
from ser_rt.runtime.backends.graphs import NO_CACHES, Graph, OpenGraph
from ser_rt.runtime.backends.ort import onnxruntime
from ser_rt.runtime.backends.providers import CUDA, PROVIDERS, Execution, Workload, int8_on
from ser_rt.runtime.backends.session import OrtSession

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class OpenGraphs:
    """Graphs that run one behind the other, the one that gives the answer last."""

    bundle: Bundle
    sessions: list[OpenGraph]
    execution: Execution

    @property
    def nodes(self) -> dict[str, int]:
        """Number of graph nodes that each of onnxruntime's providers runs."""
        total: dict[str, int] = {}
        for session in self.sessions:
            for name, count in session.nodes.items():
                total[name] = total.get(name, 0) + count
        return total

    def run(
        self, part: int, names: list[str], values: FloatArray, caches: Caches = NO_CACHES
    ) -> list[FloatArray]:
        """Return outputs of one graph by name.

        Raises:
            InferenceError: The model failed.
        """
        try:
            return self.sessions[part].run(names, values, caches)
        except SerError:
            raise
        except Exception as error:  # of onnxruntime or OpenVINO, without a common base
            cause = " ".join(str(error).split())[:300]
            where = f"{self.execution.short_name} at {list(values.shape)}"
            msg = f"{self.bundle.name} failed on {where}: {cause}"
            raise InferenceError(msg) from error


def open_graphs(graphs: list[Graph], provider: str, load: Workload, threads: int) -> OpenGraphs:
    """Open all graphs with the first way of a provider that comes up.

    Logs a warning where ``auto`` leaves a build of onnxruntime for GPUs on the processor.

    Raises:
        ProviderError: None does.
        BundleInvalidError: A graph is not what a bundle's graph must be.
    """
    *others, last = PROVIDERS[provider].executions(load)
    problem: ProviderError | None = None
    for execution in others:
        try:
            return _opened(graphs, execution, load.bundle, threads)
        except ProviderError as error:
            problem = error
    opened = _opened(graphs, last, load.bundle, threads)
    if provider == "auto" and CUDA in onnxruntime().get_available_providers():
        logger.warning("auto runs on the processor: %s", problem or int8_on("cuda", load.bundle))
    return opened


def _opened(graphs: list[Graph], execution: Execution, bundle: Bundle, threads: int) -> OpenGraphs:
    if execution.open is not None:
        sessions = [execution.open(graph, threads) for graph in graphs]
    else:
        sessions = [OrtSession(graph, execution, threads) for graph in graphs]
    for session, graph in zip(sessions, graphs, strict=True):
        _check(session, graph)
    columns = sessions[-1].outputs["probabilities"][-1]
    if isinstance(columns, int) and columns != len(bundle.labels):
        msg = (
            f"{graphs[-1].path} tells {columns} emotions apart, its manifest names "
            f"{len(bundle.labels)}"
        )
        raise BundleInvalidError(msg)
    return OpenGraphs(bundle, sessions, execution)


def _check(session: OpenGraph, graph: Graph) -> None:
    inputs, outputs, wanted = session.inputs, session.outputs, list(graph.shapes(graph.usual))
    if sorted(inputs) != sorted(wanted) or not set(graph.outputs) <= outputs.keys():
        msg = (
            f"{graph.path} takes {inputs} and gives {list(outputs)}, where a bundle's "
            f"takes {', '.join(wanted)} and gives {', '.join(graph.outputs)}; export it again"
        )
        raise BundleInvalidError(msg)
