"""The deployment that holds the streams: the server's own sessions, behind Ray's proxy."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from ray import serve
from ray.serve.handle import DeploymentHandle
from starlette.applications import Starlette

from ser_rt.cluster.metrics import ListenerMetrics
from ser_rt.cluster.pulse import Pulse, is_stopping
from ser_rt.cluster.remote import RemoteModel
from ser_rt.cluster.settings import Listening, ModelSettings
from ser_rt.runtime.stream import load
from ser_rt.server.app import make_app
from ser_rt.server.auth import Guard, read_keys
from ser_rt.server.inbox import Inbox, Item
from ser_rt.server.limits import Limits
from ser_rt.server.model import ServedModel
from ser_rt.server.protocol import ProtocolError
from ser_rt.server.service import Service

WINDOWS_AT_ONCE = 32
"""Of one listener that may be on their way to models."""


class StrictInbox(Inbox):
    """One that does not let a client wait: Ray's proxy would go on reading, without a bound."""

    async def put(self, item: Item) -> None:
        """Add a message.

        Raises:
            ProtocolError: Too much waits already.
        """
        if not self._has_room.is_set():
            msg = f"over {self._max_bytes} bytes wait to be heard; send no faster than speech"
            raise ProtocolError(msg, "too_fast")
        self._add(item)


class ListenerService(Service):
    """A service whose clients cannot be slowed down, and which may be told to end by mistake."""

    counters = ListenerMetrics

    def __init__(
        self,
        model: ServedModel,
        limits: Limits,
        max_unheard_bytes: int,
        **settings: Any,
    ) -> None:
        """Serve a model, while it is not superseded; ``settings`` are of `Service`."""
        super().__init__(model, limits, **settings)
        self._max_unheard_bytes = max_unheard_bytes

    def refusal(self) -> ProtocolError | None:
        """Return why no other stream can be taken now, or None."""
        if isinstance(self.model, RemoteModel) and self.model.is_superseded:
            return ProtocolError("this listener is being replaced; try again", "shutting_down")
        return super().refusal()

    def inbox(self) -> Inbox:
        """Return what holds the messages of one more stream until they are heard."""
        return StrictInbox(self._max_unheard_bytes)

    def resume(self) -> None:
        """Take streams again, if it has shut down."""
        if self.state == "shutting_down":
            self.state = "ready"


@serve.deployment
@serve.ingress()
class Listener:
    """Holds WebSockets; each stream's state is here, and ends with its connection."""

    def __init__(
        self,
        model: ModelSettings,
        listening: Listening,
        limits: Limits,
        workers: int,
        models: DeploymentHandle[Any] | None = None,
    ) -> None:
        """Take what replicas are given; ``models`` is None where they run the model themselves."""
        self._model, self._models = model, models
        self._listening, self._limits, self._workers = listening, limits, workers
        self._is_ended = False

    async def __serve_build_asgi_app__(self) -> Starlette:
        """Return the routes of ``ser-serve``, when the model is there and warm.

        Raises:
            SerError: There is none that works.
        """
        listening = self._listening
        keys = read_keys(Path(listening.api_key_file)) if listening.api_key_file else []
        self._service = await self._make_service()
        await self._service.start()
        if self._service.failure is not None:
            raise self._service.failure
        self._pulse = Pulse()
        self._watching = asyncio.create_task(self._watch())
        origins, hosts = listening.cors_origins, listening.allowed_hosts
        return make_app(self._service, Guard(keys, origins), origins=origins, hosts=hosts)

    async def _make_service(self) -> ListenerService:
        model, most_bytes = self._model, self._listening.max_unheard_bytes
        if self._models is None:
            own = await asyncio.to_thread(load, model.model, model.provider, model.threads or 1)
            return ListenerService(own, self._limits, most_bytes, workers=self._workers)
        others = await RemoteModel.find(model, self._models)
        return ListenerService(
            others,
            self._limits,
            most_bytes,
            workers=self._workers,
            max_batch=1,
        )

    async def check_health(self) -> None:
        """Note that Serve asks; a listener is well as long as its event loop turns."""
        self._pulse.beat()
        if not self._is_ended:
            self._service.resume()
        model = self._service.model
        if isinstance(model, RemoteModel) and model.is_superseded:
            await model.look_again()

    async def drain(self) -> None:
        """Take no more streams, and end those that there are, while there still are models."""
        self._is_ended = True
        await self._service.drain()

    async def _watch(self) -> None:
        replica = serve.get_replica_context()
        while True:
            await self._pulse.until_the_end(
                lambda: is_stopping(replica.app_name, replica.deployment)
            )
            await self._service.drain()
