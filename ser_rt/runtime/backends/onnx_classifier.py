"""`OnnxClassifier`, the network of a bundle, run by onnxruntime or OpenVINO."""

from __future__ import annotations

import numpy as np

from ser_rt.bundle import Bundle
from ser_rt.classifier import FloatArray
from ser_rt.errors import (
    AudioInputError,
    BundleInvalidError,
    ConfigError,
    InferenceError,
    ProviderError,
    SerError,
)
from ser_rt.manifest import FeatureReuse
from ser_rt.runtime.backends.graphs import FEATURES, Graph, OpenGraph, graphs_of, hop_block
from ser_rt.runtime.backends.providers import PROVIDERS, Execution, Workload
from ser_rt.runtime.backends.session import OrtSession

SMALL_MODEL_PARAMETERS = 20_000_000

CAPTURE_WARM_UPS = 3
"""Calls of a shape until its CUDA graph is replayed: the second records it."""


class OnnxClassifier:
    """An `EmotionClassifier` of a bundle. Thread-safe: share one between all streams.

    Where the bundle holds its network in two parts, these are opened and not the whole, and it is
    a `FeatureClassifier` whose streams share features.

    Example:
        >>> classifier = OnnxClassifier(Bundle.load(tiny_bundle))
        >>> classifier(np.zeros((1, 16000), np.float32)).shape
        (1, 6)
    """

    def __init__(
        self,
        bundle: Bundle,
        provider: str = "cpu",
        threads: int | None = None,
        *,
        reuse: bool = True,
        fixed_lengths: bool = False,
    ) -> None:
        """Load the network.

        Args:
            bundle: A verified bundle.
            provider: A name in `PROVIDERS`.
            threads: Threads of one call. None gives networks below 20 M parameters one, since
                sharing out a few milliseconds costs more than it saves and the other cores are
                free for other streams; bigger ones get every core.
            reuse: Whether to open the two parts of a bundle that has them; without, its whole
                graph.
            fixed_lengths: Whether calls have a few shapes that come again and again. A GPU then
                takes its time over each new one, to find the fastest kernels.

        Raises:
            ProviderError: The provider did not come up, or cannot run this bundle.
            BundleInvalidError: The graph is not what a bundle's graph must be.
            ConfigError: No such provider, or a bad number of threads.
            MissingDependencyError: onnxruntime is not installed.
        """
        if provider not in PROVIDERS:
            msg = f"no provider {provider!r}; there are {', '.join(PROVIDERS)}"
            raise ConfigError(msg)
        if threads is not None and threads < 1:
            msg = f"threads must be 1 or more, not {threads}"
            raise ConfigError(msg)
        if threads is None:
            threads = 1 if bundle.parameters < SMALL_MODEL_PARAMETERS else 0
        self.bundle = bundle
        self._labels = tuple(label.en for label in bundle.labels)
        self._reuse = bundle.feature_reuse if reuse else None
        graphs = graphs_of(bundle, self._reuse)
        executions = PROVIDERS[provider].executions(Workload(bundle, fixed_lengths))
        self._sessions, execution = _open_first(graphs, executions, threads)
        self.provider = execution.short_name
        self._warm_ups = CAPTURE_WARM_UPS if execution.captures else 1
        self._check_graphs(graphs)

    @property
    def labels(self) -> tuple[str, ...]:
        """English label of each column of the probabilities."""
        return self._labels

    @property
    def sample_rate(self) -> int:
        """Sample rate in Hz that waveforms must have."""
        return self.bundle.sample_rate

    @property
    def window_s(self) -> float:
        """Length in seconds of a full window."""
        return self.bundle.window_s

    @property
    def hop_s(self) -> float:
        """Time in seconds from one window to the next."""
        return self.bundle.hop_s

    @property
    def min_window_s(self) -> float:
        """Shortest window in seconds worth classifying."""
        return self.bundle.min_window_s

    @property
    def feature_reuse(self) -> FeatureReuse | None:
        """Which samples a frame of the features covers; None where the graph is whole."""
        return self._reuse

    @property
    def nodes(self) -> dict[str, int]:
        """Number of graph nodes that each of onnxruntime's providers runs."""
        total: dict[str, int] = {}
        for session in self._sessions:
            for name, count in session.nodes.items():
                total[name] = total.get(name, 0) + count
        return total

    def __call__(self, waveforms: FloatArray) -> FloatArray:
        """Classify float32 ``[batch, samples]`` into probabilities ``[batch, labels]``."""
        return self.outputs(waveforms, "probabilities")[0]

    def outputs(self, waveforms: FloatArray, *names: str) -> list[FloatArray]:
        """Return outputs of these names, each float32 ``[batch, ...]``: see `graphs.OUTPUTS`.

        Raises:
            AudioInputError: ``waveforms`` is not float32 ``[batch, samples]``.
            InferenceError: The model failed.
        """
        _check("waveforms", waveforms, "[batch, samples]")
        values = waveforms if self._reuse is None else self.features(waveforms)
        return self._run(-1, list(names), values)

    def features(self, waveforms: FloatArray) -> FloatArray:
        """Return the features ``[batch, frames, channels]`` of float32 ``[batch, samples]``.

        Raises:
            AudioInputError: ``waveforms`` is not float32 ``[batch, samples]``.
            InferenceError: The model failed.
            ConfigError: The network is opened whole: `feature_reuse` is None.
        """
        self._require_reuse()
        _check("waveforms", waveforms, "[batch, samples]")
        return self._run(0, [FEATURES], waveforms)[0]

    def classify_features(self, features: FloatArray) -> FloatArray:
        """Classify float32 ``[batch, frames, channels]`` into probabilities ``[batch, labels]``.

        Raises:
            AudioInputError: ``features`` is not float32 ``[batch, frames, channels]``.
            InferenceError: The model failed.
            ConfigError: The network is opened whole: `feature_reuse` is None.
        """
        self._require_reuse()
        _check(FEATURES, features, "[batch, frames, channels]")
        return self._run(-1, ["probabilities"], features)[0]

    def warm_up(self) -> None:
        """Run every part at the sizes of a stream, so that its first windows are not slow."""
        window = np.zeros((1, round(self.window_s * self.sample_rate)), np.float32)
        shortest = round(self.min_window_s * self.sample_rate)
        block = None if self._reuse is None else hop_block(self.bundle, self._reuse)
        for _ in range(self._warm_ups):
            self(window)
            if block is not None:
                self.features(window[:, :block])
        self(window[:, :shortest])

    def _run(self, part: int, names: list[str], values: FloatArray) -> list[FloatArray]:
        try:
            return self._sessions[part].run(names, values)
        except SerError:
            raise
        except Exception as error:  # of onnxruntime or OpenVINO, without a common base
            cause = " ".join(str(error).split())[:300]
            msg = f"{self.bundle.name} failed on {self.provider} at {list(values.shape)}: {cause}"
            raise InferenceError(msg) from error

    def _require_reuse(self) -> None:
        if self._reuse is None:
            msg = f"{self.bundle.name} is opened whole: it has no features to share"
            raise ConfigError(msg)

    def _check_graphs(self, graphs: list[Graph]) -> None:
        for session, graph in zip(self._sessions, graphs, strict=True):
            inputs, outputs = session.inputs, session.outputs
            if inputs != [graph.input] or not set(graph.outputs) <= outputs.keys():
                msg = (
                    f"{graph.path} takes {inputs} and gives {list(outputs)}, where a bundle's "
                    f"takes {graph.input} and gives {', '.join(graph.outputs)}; export it again"
                )
                raise BundleInvalidError(msg)
        columns = self._sessions[-1].outputs["probabilities"][-1]
        if isinstance(columns, int) and columns != len(self._labels):
            msg = (
                f"{graphs[-1].path} tells {columns} emotions apart, its manifest names "
                f"{len(self._labels)}"
            )
            raise BundleInvalidError(msg)


def _open_first(
    graphs: list[Graph], executions: list[Execution], threads: int
) -> tuple[list[OpenGraph], Execution]:
    """Open all graphs with the first provider that comes up; raise the last one's error."""
    for execution in executions[:-1]:
        try:
            return _open(graphs, execution, threads), execution
        except ProviderError:
            continue
    return _open(graphs, executions[-1], threads), executions[-1]


def _open(graphs: list[Graph], execution: Execution, threads: int) -> list[OpenGraph]:
    if execution.open is not None:
        return [execution.open(graph, threads) for graph in graphs]
    return [OrtSession(graph, execution, threads) for graph in graphs]


def _check(name: str, values: FloatArray, axes: str) -> None:
    if values.ndim != axes.count(",") + 1 or values.dtype != np.float32 or 0 in values.shape:
        got = f"{values.dtype} {values.shape}"
        msg = f"{name} must be float32 {axes}, not {got}"
        raise AudioInputError(msg)
