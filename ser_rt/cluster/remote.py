"""`ModelHandle`: a classifier whose model runs in other replicas."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any, Self

import numpy as np
from ray.exceptions import RayError
from ray.serve.exceptions import RayServeException
from ray.serve.handle import DeploymentHandle

from ser_rt.bundle import Bundle, find_bundle
from ser_rt.classifier import FloatArray
from ser_rt.cluster.settings import ModelSettings
from ser_rt.errors import ClusterError, InferenceError

PATIENCE_S = 20.0
"""How long a window is retried while replicas die or are replaced."""

RETRY_S = 0.1
SUPERSEDED_S = 2.0
"""How long a window is retried while all replicas have another model, as after an update."""


class ModelHandle:
    """A classifier over the replicas of a deployment, for any thread; retries when one dies.

    Attributes:
        is_superseded: Whether all replicas that answer have another model.
    """

    def __init__(
        self,
        bundle: Bundle,
        provider: str,
        handle: DeploymentHandle[Any],
        *,
        has_embedding: bool = False,
    ) -> None:
        """Call replicas that have a bundle; created in the thread of the event loop."""
        self.bundle, self.provider = bundle, provider
        self.labels = tuple(label.en for label in bundle.labels)
        self.sample_rate = bundle.sample_rate
        self.window_s, self.hop_s = bundle.window_s, bundle.hop_s
        self.min_window_s, self.max_window_s = bundle.min_window_s, bundle.max_window_s
        self.profiles = bundle.profiles
        self.temperature_by_speech = bundle.temperature_by_speech
        self.turn_temperature = bundle.turn_temperature
        self.dimensions, self.has_embedding = bundle.dimensions, has_embedding
        self._hash, self._handle = bundle.sha256, handle
        self._loop = asyncio.get_running_loop()
        self.is_superseded = False

    @classmethod
    async def find(cls, settings: ModelSettings, handle: DeploymentHandle[Any]) -> Self:
        """Wait for the replicas behind a handle, and return a classifier over them.

        Raises:
            BundleError: This machine lacks their bundle.
            ClusterError: They have another one of the same name.
        """
        bundle = await asyncio.to_thread(lambda: Bundle.load(find_bundle(settings.model)))
        wanted = bundle.sha256
        others = 0
        while others * RETRY_S < PATIENCE_S:
            # Replicas of the version before are replaced first, however long the new ones load:
            # Serve watches that. They may end during the call.
            with suppress(RayError, RayServeException):
                provider, found, name = await handle.about.remote()
                if found == wanted:
                    return cls(bundle, provider, handle, has_embedding=settings.embedding)
                others += name == settings.model
            await asyncio.sleep(RETRY_S)
        msg = f"the models have another bundle than {bundle.folder} of this machine"
        raise ClusterError(msg)

    async def look_again(self) -> None:
        """Update `is_superseded`: an update may have been rolled back."""
        with suppress(RayError, RayServeException, TimeoutError):
            async with asyncio.timeout(RETRY_S * 10):
                _, found, _ = await self._handle.about.remote()
                self.is_superseded = found != self._hash

    def __call__(self, waveforms: FloatArray) -> FloatArray:
        """Classify float32 ``[batch, samples]`` into probabilities ``[batch, labels]``.

        Raises:
            SerError: As of `rows`.
        """
        return self.rows(waveforms)[:, : len(self.labels)]

    def rows(self, waveforms: FloatArray) -> FloatArray:
        """Classify as `ExtraClassifier` does.

        Raises:
            ClusterError: No replica answers.
            InferenceError: The model failed.
        """
        calls = [
            asyncio.run_coroutine_threadsafe(self._call(window), self._loop) for window in waveforms
        ]
        return np.stack([call.result() for call in calls])

    def warm_up(self) -> None:
        """Do nothing: replicas warm up before they take calls."""

    async def _call(self, window: FloatArray) -> FloatArray:
        why, others = "no answer", 0
        try:
            async with asyncio.timeout(PATIENCE_S):
                while others * RETRY_S < SUPERSEDED_S:
                    try:
                        answer = await self._handle.classify.remote(self._hash, window)
                    except (RayError, RayServeException) as error:
                        why = " ".join(str(error).split())[-300:]
                    else:
                        if isinstance(answer, str):
                            raise InferenceError(answer)
                        if answer is not None:
                            return np.asarray(answer)
                        others += 1
                    await asyncio.sleep(RETRY_S)
        except TimeoutError:
            msg = f"no replica of the model has answered for {PATIENCE_S:g} s: {why}"
            raise ClusterError(msg) from None
        self.is_superseded = True
        msg = f"there is another model now than {self.bundle.name} {self.bundle.version}"
        raise ClusterError(msg)
