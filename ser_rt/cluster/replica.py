"""`StreamReplica`: the deployment that runs the server's sessions, behind Ray's proxy."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from ray import serve
from ray.serve.handle import DeploymentHandle
from starlette.applications import Starlette

from ser_rt.cluster.metrics import ReplicaMetrics
from ser_rt.cluster.remote import ModelHandle
from ser_rt.cluster.settings import ModelSettings, ReplicaSettings
from ser_rt.cluster.shutdown_signal import Heartbeat, is_stopping
from ser_rt.runtime.stream import load
from ser_rt.server.app import make_app
from ser_rt.server.auth import Guard, read_keys
from ser_rt.server.limits import ServerLimits
from ser_rt.server.message_queue import Item, MessageQueue
from ser_rt.server.model import ServedModel
from ser_rt.server.protocol import ProtocolError
from ser_rt.server.service import Service

WINDOWS_AT_ONCE = 32
"""Windows of one stream replica that may be at models at once."""


class StrictMessageQueue(MessageQueue):
    """A queue that refuses instead of waiting: Ray's proxy would read on, without a bound."""

    async def put(self, item: Item) -> None:
        """Add a message.

        Raises:
            ProtocolError: Too much waits already.
        """
        if not self._has_room.is_set():
            msg = f"over {self._max_bytes} bytes wait to be processed; send in real time"
            raise ProtocolError(msg, "too_fast")
        self._add(item)


class ReplicaService(Service):
    """A service whose clients cannot be slowed down, and whose shutdown may be revoked."""

    counters = ReplicaMetrics

    def __init__(
        self,
        model: ServedModel,
        limits: ServerLimits,
        max_unheard_bytes: int,
        **settings: Any,
    ) -> None:
        """Serve a model, while it is not superseded; ``settings`` are of `Service`."""
        super().__init__(model, limits, **settings)
        self._max_unheard_bytes = max_unheard_bytes

    def refusal(self) -> ProtocolError | None:
        """Return why no new stream can be taken now, or None."""
        if isinstance(self.model, ModelHandle) and self.model.is_superseded:
            return ProtocolError("this replica is being replaced; try again", "shutting_down")
        return super().refusal()

    def message_queue(self) -> MessageQueue:
        """Return the queue of the messages of a new stream."""
        return StrictMessageQueue(self._max_unheard_bytes)

    def resume(self) -> None:
        """Take streams again, after a shutdown."""
        if self.state == "shutting_down":
            self.state = "ready"


@serve.deployment(name="Listener")  # as users' Serve configs and dashboards have it
@serve.ingress()
class StreamReplica:
    """Holds WebSockets and the state of their streams, which ends with the connection."""

    def __init__(
        self,
        model: ModelSettings,
        settings: ReplicaSettings,
        limits: ServerLimits,
        workers: int,
        models: DeploymentHandle[Any] | None = None,
    ) -> None:
        """Store the settings; ``models`` is None where replicas run the model themselves."""
        self._model, self._models = model, models
        self._settings, self._limits, self._workers = settings, limits, workers
        self._is_ended = False

    async def __serve_build_asgi_app__(self) -> Starlette:
        """Return the application of ``ser-serve``, once the model is warm.

        Raises:
            SerError: The model does not run.
        """
        settings = self._settings
        keys = read_keys(Path(settings.api_key_file)) if settings.api_key_file else []
        self._service = await self._make_service()
        await self._service.start()
        if self._service.failure is not None:
            raise self._service.failure
        self._heartbeat = Heartbeat()
        self._watching = asyncio.create_task(self._watch())
        guard = Guard(keys, settings.cors_origins)
        return make_app(self._service, guard, hosts=settings.allowed_hosts)

    async def _make_service(self) -> ReplicaService:
        wanted, how = self._model, {"workers": self._workers}
        model: ServedModel
        if self._models is None:
            model = await asyncio.to_thread(
                load,
                *(wanted.model, wanted.provider, wanted.threads or 1),
                streaming=wanted.streaming,
                embedding=wanted.embedding,
            )
        else:
            model = await ModelHandle.find(wanted, self._models)
            how["max_batch"] = 1
        return ReplicaService(model, self._limits, self._settings.max_unheard_bytes, **how)

    async def check_health(self) -> None:
        """Record a health check; a replica is healthy as long as its event loop runs."""
        self._heartbeat.beat()
        if not self._is_ended:
            self._service.resume()
        model = self._service.model
        if isinstance(model, ModelHandle) and model.is_superseded:
            await model.look_again()

    async def drain(self) -> None:
        """Refuse new streams and end the open ones, while the models still run."""
        self._is_ended = True
        await self._service.drain()

    async def _watch(self) -> None:
        replica = serve.get_replica_context()
        while True:
            await self._heartbeat.until_shutdown(
                lambda: is_stopping(replica.app_name, replica.deployment)
            )
            await self._service.drain()
