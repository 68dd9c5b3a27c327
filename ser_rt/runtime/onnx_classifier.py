"""A bundle's network, run by onnxruntime."""

from __future__ import annotations

from typing import Any

import numpy as np

from ser_rt.bundle import Bundle
from ser_rt.classifier import FloatArray
from ser_rt.errors import AudioInputError, BundleInvalidError, ConfigError, ProviderError
from ser_rt.runtime.providers import PROVIDERS, Execution, onnxruntime

INPUT = "input_values"
OUTPUTS = ("probabilities", "logits", "embedding")
SMALL_MODEL_PARAMETERS = 20_000_000


class OnnxClassifier:
    """An `EmotionClassifier` of a bundle. Thread-safe: share one between all streams.

    Example:
        >>> classifier = OnnxClassifier(Bundle.load(tiny_bundle))
        >>> classifier(np.zeros((1, 16000), np.float32)).shape
        (1, 6)
    """

    def __init__(self, bundle: Bundle, provider: str = "cpu", threads: int | None = None) -> None:
        """Load the network.

        Args:
            bundle: A verified bundle.
            provider: A name in `PROVIDERS`.
            threads: Threads of one call. None gives networks below 20 M parameters one, since
                sharing out a few milliseconds costs more than it saves and the other cores are
                free for other streams; bigger ones get every core.

        Raises:
            ProviderError: The provider did not come up.
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
        self._session, self.provider = _open_first(bundle, PROVIDERS[provider](), threads)
        self._check_graph()

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

    def __call__(self, waveforms: FloatArray) -> FloatArray:
        """Classify float32 ``[batch, samples]`` into probabilities ``[batch, labels]``."""
        return self.outputs(waveforms, "probabilities")[0]

    def outputs(self, waveforms: FloatArray, *names: str) -> list[FloatArray]:
        """Return the graph's outputs of these names (`OUTPUTS`), each float32 ``[batch, ...]``.

        Raises:
            AudioInputError: ``waveforms`` is not float32 ``[batch, samples]``.
        """
        if waveforms.ndim != 2 or waveforms.dtype != np.float32 or 0 in waveforms.shape:
            got = f"{waveforms.dtype} {waveforms.shape}"
            msg = f"waveforms must be float32 [batch, samples], not {got}"
            raise AudioInputError(msg)
        found: list[FloatArray] = self._session.run(list(names), {INPUT: waveforms})
        return found

    def _check_graph(self) -> None:
        inputs = [x.name for x in self._session.get_inputs()]
        outputs = {x.name: x.shape for x in self._session.get_outputs()}
        path = self.bundle.model_path
        if inputs != [INPUT] or not set(OUTPUTS) <= outputs.keys():
            msg = (
                f"{path} takes {inputs} and gives {list(outputs)}, where a bundle's graph takes "
                f"{INPUT} and gives {', '.join(OUTPUTS)}; export it again"
            )
            raise BundleInvalidError(msg)
        columns = outputs["probabilities"][-1]
        if isinstance(columns, int) and columns != len(self._labels):
            msg = f"{path} tells {columns} emotions apart, its manifest names {len(self._labels)}"
            raise BundleInvalidError(msg)


def _open_first(bundle: Bundle, executions: list[Execution], threads: int) -> tuple[Any, str]:
    """Open the network with the first provider that comes up; raise the last one's error."""
    for execution in executions[:-1]:
        try:
            return _open(bundle, execution, threads), execution.short_name
        except ProviderError:
            continue
    return _open(bundle, executions[-1], threads), executions[-1].short_name


def _open(bundle: Bundle, execution: Execution, threads: int) -> Any:  # noqa: ANN401 (no types)
    ort = onnxruntime()
    problem = "this onnxruntime has no such provider"
    if execution.name in ort.get_available_providers():
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.enable_mem_pattern = False
        options.log_severity_level = 4
        # Streams are idle between hops; a thread that spins meanwhile burns a core.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        chosen = [(execution.name, execution.options)]
        try:
            session = ort.InferenceSession(str(bundle.model_path), options, providers=chosen)
        except Exception as error:  # onnxruntime's own errors have no common base below Exception
            if execution.name == "CPUExecutionProvider":
                msg = f"{bundle.model_path} does not load: {_one_line(error)}; export it again"
                raise BundleInvalidError(msg) from error
            problem = _one_line(error)
        else:
            if session.get_providers()[0] == execution.name:
                return session
            problem = "onnxruntime fell back to " + ", ".join(session.get_providers())
    msg = f"{execution.name} did not come up ({problem}); {execution.remedy}"
    raise ProviderError(msg)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
