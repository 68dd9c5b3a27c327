"""`OnnxClassifier`, the network of a bundle, run by onnxruntime or OpenVINO."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from ser_rt.bundle import Bundle
from ser_rt.classifier import FloatArray, Hop, HopResult
from ser_rt.errors import AudioInputError, ConfigError
from ser_rt.manifest import FeatureReuse
from ser_rt.profiles import Profile
from ser_rt.runtime.backends.device_caches import on_host
from ser_rt.runtime.backends.graphs import DIMENSIONS, FEATURES, graphs_of, hop_block, stream_graph
from ser_rt.runtime.backends.opening import OpenGraphs, open_graphs
from ser_rt.runtime.backends.providers import PROVIDERS, Workload
from ser_rt.streaming import Streaming

SMALL_MODEL_PARAMETERS = 30_000_000

CAPTURE_WARM_UPS = 3
"""Calls of a shape until its CUDA graph is replayed: the second records it."""


class OnnxClassifier:
    """An `EmotionClassifier` of a bundle. Thread-safe: share one between all streams.

    Where the bundle has a graph with caches, it is a `StreamingClassifier`, and the graph of whole
    windows is opened when the first of them is classified. Where the bundle holds its network in
    two parts, these are opened and not the whole, and it is a `FeatureClassifier` whose streams
    share features.

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
        streaming: bool | None = None,
        reuse: bool = True,
        fixed_lengths: bool = False,
    ) -> None:
        """Load the network.

        Args:
            bundle: A verified bundle.
            provider: A name in `PROVIDERS`.
            threads: Threads of one call. None gives networks below 30 M parameters one, since
                sharing out a few milliseconds costs more than it saves and the other cores are
                free for other streams; bigger ones get every core.
            streaming: Whether streams compute each hop once, with caches, or classify whole
                windows; None for what the bundle can.
            reuse: Whether to open the two parts of a bundle that has them; without, its whole
                graph.
            fixed_lengths: Whether calls have a few shapes that come again and again. A GPU then
                takes its time over each new one, to find the fastest kernels.

        Raises:
            ProviderError: The provider did not come up, or cannot run this bundle.
            BundleInvalidError: The graph is not what a bundle's graph must be.
            ConfigError: No such provider, a bad number of threads, or the bundle cannot stream.
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
        self._streaming = bundle.streaming_if(streaming)
        self._reuse = bundle.feature_reuse if reuse else None
        self._open = partial(
            open_graphs, provider=provider, load=Workload(bundle, fixed_lengths), threads=threads
        )
        self._of_windows: OpenGraphs | None = None
        self._of_hops: OpenGraphs | None = None
        self._opening = threading.Lock()
        if self._streaming is None:
            opened = self._of_windows = self._open(graphs_of(bundle, self._reuse))
        else:
            opened = self._of_hops = self._open([stream_graph(bundle, self._streaming)])
        self.provider = opened.execution.short_name
        self._warm_ups = CAPTURE_WARM_UPS if opened.execution.captures else 1

    def __repr__(self) -> str:
        bundle, how = self.bundle, "streaming" if self._streaming else "whole windows"
        about = f"{bundle.name} {bundle.version}, {bundle.precision}, {self.provider}, {how}"
        return f"<{type(self).__name__} {about}: {', '.join(self._labels)}>"

    @property
    def labels(self) -> tuple[str, ...]:
        """English label of each column of the probabilities."""
        return self._labels

    @property
    def dimensions(self) -> tuple[str, ...]:
        """What the network rates besides."""
        return self.bundle.dimensions

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
    def max_window_s(self) -> float | None:
        """Longest window in seconds that the network takes; None where any will do."""
        return self.bundle.max_window_s

    @property
    def profiles(self) -> Mapping[str, Profile]:
        """Settings of streams by name."""
        return self.bundle.profiles

    @property
    def temperature_by_speech(self) -> Mapping[float, float]:
        """Divisor of a stream's logits by the seconds of speech in the window."""
        return self.bundle.temperature_by_speech

    @property
    def turn_temperature(self) -> float | None:
        """Divisor of the logits of a whole turn; None for 1."""
        return self.bundle.turn_temperature

    @property
    def feature_reuse(self) -> FeatureReuse | None:
        """Which samples a frame of the features covers; None where the graph is whole."""
        return self._reuse

    @property
    def streaming(self) -> Streaming | None:
        """Hops and caches; None where streams classify whole windows."""
        return self._streaming

    @property
    def nodes(self) -> dict[str, int]:
        """Number of graph nodes that each of onnxruntime's providers runs."""
        opened = self._of_hops or self._windows()
        return opened.nodes

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
        return self._windows().run(-1, list(names), values)

    def rate(self, waveforms: FloatArray) -> FloatArray:
        """Rate float32 ``[batch, samples]``: ``[batch, dimensions]``, of a network that has any."""
        return self.outputs(waveforms, DIMENSIONS)[0]

    def features(self, waveforms: FloatArray) -> FloatArray:
        """Return the features ``[batch, frames, channels]`` of float32 ``[batch, samples]``.

        Raises:
            AudioInputError: ``waveforms`` is not float32 ``[batch, samples]``.
            InferenceError: The model failed.
            ConfigError: The network is opened whole: `feature_reuse` is None.
        """
        self._require_reuse()
        _check("waveforms", waveforms, "[batch, samples]")
        return self._windows().run(0, [FEATURES], waveforms)[0]

    def classify_features(self, features: FloatArray) -> FloatArray:
        """Classify float32 ``[batch, frames, channels]`` into probabilities ``[batch, labels]``.

        Raises:
            AudioInputError: ``features`` is not float32 ``[batch, frames, channels]``.
            InferenceError: The model failed.
            ConfigError: The network is opened whole: `feature_reuse` is None.
        """
        return self.outputs_of_features(features, "probabilities")[0]

    def outputs_of_features(self, features: FloatArray, *names: str) -> list[FloatArray]:
        """Return outputs as `outputs` does, of float32 ``[batch, frames, channels]``."""
        self._require_reuse()
        _check(FEATURES, features, "[batch, frames, channels]")
        return self._windows().run(-1, list(names), features)

    def classify_hops(self, hops: Sequence[Hop]) -> list[HopResult]:
        """Classify hops of equal length, one of each of some streams, in one call.

        Raises:
            AudioInputError: They are not float32 ``[samples]`` of one length.
            InferenceError: The model failed.
            ConfigError: It classifies whole windows: `streaming` is None.
        """
        return self._classified(hops, ["probabilities"])

    def _classified(self, hops: Sequence[Hop], outputs: Sequence[str]) -> list[HopResult]:
        """Classify hops; each result holds the rows of some outputs, side by side."""
        if self._streaming is None or self._of_hops is None:
            msg = f"{self.bundle.name} is opened for whole windows: it has no hops to classify"
            raise ConfigError(msg)
        if len({len(hop.samples) for hop in hops}) != 1:
            msg = f"hops of one call must have one length, not {[len(h.samples) for h in hops]}"
            raise AudioInputError(msg)
        samples = np.stack([hop.samples for hop in hops])
        _check("hops", samples, "[batch, samples]")
        caches = self._streaming.caches
        joined = {c.name: _joined([hop.caches[c.name] for hop in hops]) for c in caches}
        names = [*outputs, *(cache.next_name for cache in caches)]
        found = self._of_hops.run(-1, names, samples, joined)
        rows = found[0] if len(outputs) == 1 else np.hstack(found[: len(outputs)])
        after = found[len(outputs) :]
        results = []
        for row in range(len(hops)):
            own = (values if len(hops) == 1 else values[row : row + 1].copy() for values in after)
            left = {cache.name: values for cache, values in zip(caches, own, strict=True)}
            results.append(HopResult(rows[row], left))
        return results

    def warm_up(self) -> None:
        """Run every part at the sizes of a stream, so that its first results are not slow."""
        if self._streaming is not None:
            hop = round(self._streaming.hop_s * self.sample_rate)
            self.classify_hops([Hop(np.zeros(hop, np.float32), self._streaming.fresh(1))])
            return
        window = np.zeros((1, round(self.window_s * self.sample_rate)), np.float32)
        shortest = round(self.min_window_s * self.sample_rate)
        block = None if self._reuse is None else hop_block(self.bundle, self._reuse)
        for _ in range(self._warm_ups):
            self(window)
            if block is not None:
                self.features(window[:, :block])
        self(window[:, :shortest])

    def _windows(self) -> OpenGraphs:
        """Return the graphs of whole windows, opened now if they are not."""
        with self._opening:
            if self._of_windows is None:
                self._of_windows = self._open(graphs_of(self.bundle, self._reuse))
            return self._of_windows

    def _require_reuse(self) -> None:
        if self._reuse is None:
            msg = f"{self.bundle.name} is opened whole: it has no features to share"
            raise ConfigError(msg)


def _check(name: str, values: FloatArray, axes: str) -> None:
    if values.ndim != axes.count(",") + 1 or values.dtype != np.float32 or 0 in values.shape:
        got = f"{values.dtype} {values.shape}"
        msg = f"{name} must be float32 {axes}, not {got}"
        raise AudioInputError(msg)


def _joined(rows: list[Any]) -> Any:
    return rows[0] if len(rows) == 1 else np.concatenate(list(map(on_host, rows)))
