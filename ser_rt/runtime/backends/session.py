"""One ONNX graph, opened by onnxruntime on the wanted provider and on no other."""

from __future__ import annotations

import contextlib
import io
from collections import Counter
from collections.abc import Iterator
from typing import Any

from ser_rt.classifier import Caches, FloatArray
from ser_rt.errors import AudioInputError, BundleInvalidError, ProviderError
from ser_rt.runtime.backends.cuda_graphs import CudaGraphs, uncapturable
from ser_rt.runtime.backends.device_caches import run_on_device
from ser_rt.runtime.backends.diagnosis import trouble
from ser_rt.runtime.backends.gpu_libraries import preload
from ser_rt.runtime.backends.graphs import NO_CACHES, Graph
from ser_rt.runtime.backends.ort import onnxruntime
from ser_rt.runtime.backends.plugins import devices
from ser_rt.runtime.backends.providers import CPU, Execution
from ser_rt.runtime.backends.tensorrt import discard_empty_cache

_QUIET, _WARNINGS = 4, 2
_CONFIG = {
    # Threads wait for the next operator awake, which is quick, and not for the next hop: a stream
    # is idle until then, and two graphs that are run in turn would keep each other's cores busy.
    "session.intra_op.spin_duration_us": "200",
    "session.force_spinning_stop": "1",
    "session.record_ep_graph_assignment_info": "1",
}


class OrtSession:
    """A graph that is ready to run. Calls may come from many threads at once."""

    def __init__(self, graph: Graph, execution: Execution, threads: int) -> None:
        """Open a graph; ``threads`` of a CPU, 0 for every core.

        Raises:
            ProviderError: The provider did not come up.
            BundleInvalidError: The file is no ONNX graph that onnxruntime can run.
        """
        self._graph, self._limits_shapes = graph, execution.limits_shapes
        self._device = execution.device
        if execution.captures and graph.caches:
            msg = f"{graph.path.name} cannot be a CUDA graph: it has caches"
            raise ProviderError(msg)
        self._session = _open(graph, execution, threads)
        if execution.captures and (ops := uncapturable(self._session, execution.name)):
            msg = f"{graph.path.name} cannot be a CUDA graph: it has {', '.join(sorted(ops))}"
            raise ProviderError(msg)
        self._graphs = CudaGraphs(onnxruntime(), self._session) if execution.captures else None

    @property
    def inputs(self) -> list[str]:
        """Names of the inputs."""
        return [x.name for x in self._session.get_inputs()]

    @property
    def outputs(self) -> dict[str, list[int | str]]:
        """Shape of each output; axes that are free have a name."""
        return {x.name: x.shape for x in self._session.get_outputs()}

    @property
    def nodes(self) -> dict[str, int]:
        """Number of nodes of the optimised graph that each of onnxruntime's providers runs."""
        parts = self._session.get_provider_graph_assignment_info()
        count: Counter[str] = Counter()
        for part in parts:
            count[part.ep_name] += len(part.get_nodes())
        return dict(count)

    def run(
        self, names: list[str], values: FloatArray, caches: Caches = NO_CACHES
    ) -> list[FloatArray]:
        """Return outputs by name, given the first input, and the others by name.

        Raises:
            AudioInputError: The graph was compiled for other shapes.
        """
        if self._limits_shapes:
            _check_shape(self._graph, values.shape)
        if self._graphs is not None:
            return self._graphs.run(names, self._graph.input, values)
        if caches and len(values) == 1 and self._device is not None:
            return run_on_device(self._session, self._device, self._graph, names, values, caches)
        found: list[FloatArray] = self._session.run(names, {self._graph.input: values, **caches})
        return found


def _check_shape(graph: Graph, shape: tuple[int, ...]) -> None:
    bounds = zip(graph.least, shape, graph.most, strict=True)
    if not all(least <= size <= most for least, size, most in bounds):
        msg = (
            f"{graph.path.name} was compiled for {graph.input} from {list(graph.least)} to "
            f"{list(graph.most)}, not for {list(shape)}: keep to the model's own windows, or use "
            "provider cuda"
        )
        raise AudioInputError(msg)


def _open(graph: Graph, execution: Execution, threads: int) -> Any:
    ort = onnxruntime()
    wanted, cause = execution.name, None
    problem = f"onnxruntime {ort.__version__} ran it elsewhere, without a reason"
    if execution.plugin is not None:
        places = devices(ort, execution.plugin)
    elif wanted not in ort.get_available_providers():
        msg = f"{wanted} did not come up: {trouble(ort, wanted, problem)}"
        raise ProviderError(msg)
    chosen = execution.providers(graph)
    options = _options(ort, threads)
    given: dict[str, Any] = {"providers": chosen}
    if execution.plugin is not None:
        options.add_provider_for_devices(places[:1], chosen[0][1])
        given = {}
    try:
        with _undisturbed(ort, is_gpu=wanted != CPU):
            session = ort.InferenceSession(str(graph.path), options, enable_fallback=0, **given)
    except Exception as error:  # onnxruntime's own errors have no common base below Exception
        problem, cause = " ".join(str(error).split())[:300], error
        if wanted == CPU:
            msg = f"{graph.path} does not load: {problem}; export it again"
            raise BundleInvalidError(msg) from error
    else:
        if wanted in session.get_providers():
            return session
    for _, provider_options in chosen:
        discard_empty_cache(provider_options)
    why = problem if execution.plugin else trouble(ort, wanted, problem)
    msg = f"{wanted} did not come up: {why}"
    raise ProviderError(msg) from cause


def _options(ort: Any, threads: int) -> Any:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.enable_mem_pattern = False
    options.log_severity_level = _QUIET
    for key, value in _CONFIG.items():
        options.add_session_config_entry(key, value)
    return options


@contextlib.contextmanager
def _undisturbed(ort: Any, *, is_gpu: bool) -> Iterator[None]:
    """Let GPU libraries be found in wheels, and keep what they print out of our output."""
    if not is_gpu:
        yield
        return
    with contextlib.redirect_stdout(io.StringIO()):
        ort.set_default_logger_severity(_QUIET)
        try:
            preload(ort)
            yield
        finally:
            ort.set_default_logger_severity(_WARNINGS)
