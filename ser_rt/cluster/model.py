"""`Model`: the deployment that classifies windows, one network a replica, in batches."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import numpy as np
from ray import serve

from ser_rt.classifier import ExtraClassifier, FloatArray
from ser_rt.cluster.settings import Batching, ModelSettings
from ser_rt.errors import SerError
from ser_rt.runtime.backends.onnx_classifier import OnnxClassifier
from ser_rt.runtime.backends.providers import PROVIDERS
from ser_rt.runtime.stream import load

Outcome = FloatArray | str
"""A row, as of an `ExtraClassifier`: probabilities ``[labels]`` first; or an error message."""


@serve.deployment
class Model:
    """Classifies windows of any length for all stream replicas."""

    def __init__(self, settings: ModelSettings, threads: int) -> None:
        """Load the network and warm it up.

        Raises:
            SerError: It does not load.
        """
        self._model = load(
            settings.model,
            settings.provider,
            threads,
            streaming=False,
            embedding=settings.embedding,
        )
        self._model.warm_up()
        self._hash, self._name = self._model.bundle.sha256, settings.model

    def reconfigure(self, user_config: Mapping[str, Any]) -> None:
        """Set how windows share calls, as in `Batching`; Serve calls this at any time.

        Raises:
            ConfigError: A value is out of range.
        """
        batching = Batching(**user_config)
        batch = PROVIDERS[self._model.provider].batch(batching.max_batch)
        batched: Any = self._batched
        batched.set_max_batch_size(batch)
        batched.set_batch_wait_timeout_s(batching.max_wait_ms / 1e3)

    async def about(self) -> tuple[str, str, str | None]:
        """Return the provider, the sha256 of the bundle, and its name in the settings."""
        return self._model.provider, self._hash, self._name

    async def classify(self, wanted: str, window: FloatArray) -> Outcome | None:
        """Classify float32 ``[samples]`` with the model of a hash; None if this is another one."""
        if wanted != self._hash:
            return None
        outcome: Outcome = await self._batched(window)
        return outcome

    async def check_health(self) -> None:
        """Classify one window of silence.

        Raises:
            InferenceError: The model fails.
        """
        samples = round(self._model.min_window_s * self._model.sample_rate)
        await asyncio.to_thread(self._model, np.zeros((1, samples), np.float32))

    @serve.batch(max_batch_size=1, batch_wait_timeout_s=0.0)
    async def _batched(self, windows: list[FloatArray]) -> list[Outcome]:
        return await asyncio.to_thread(classify_windows, self._model, windows)


def classify_windows(model: OnnxClassifier, windows: list[FloatArray]) -> list[Outcome]:
    """Return the outcomes of windows in order; those of equal length share a call."""
    found: dict[int, Outcome] = {}
    for length in {len(window) for window in windows}:
        places = [place for place, window in enumerate(windows) if len(window) == length]
        found |= zip(places, _together(model, [windows[place] for place in places]), strict=True)
    return [found[place] for place in range(len(windows))]


def _together(model: OnnxClassifier, windows: list[FloatArray]) -> list[Outcome]:
    try:
        rows = model.rows if isinstance(model, ExtraClassifier) else model
        return list(rows(np.stack(windows)))
    except SerError as error:
        if len(windows) == 1:
            return [str(error)]
    # One window may make the call fail: the others get their results.
    return [outcome for window in windows for outcome in _together(model, [window])]
