"""`AdaptedSocket`, a WebSocket whose messages an adapter translates."""

from __future__ import annotations

import json
from collections import deque
from typing import TYPE_CHECKING, Any

from ser_rt.server.adapters.base import Adapter, Reply

if TYPE_CHECKING:
    from collections.abc import Iterator, MutableMapping

    from starlette.websockets import WebSocket

    from ser_rt.server.adapters.base import Translated
    from ser_rt.server.calls import Calls


class AdaptedSocket:
    """Stands in for the socket of a `StreamSession`."""

    def __init__(self, socket: WebSocket, adapter: Adapter, calls: Calls) -> None:
        """Translate an accepted connection."""
        self._socket, self._adapter, self._calls = socket, adapter, calls
        self._waiting: deque[str | bytes] = deque()
        self._is_begun = False

    @property
    def scope(self) -> MutableMapping[str, Any]:
        """That of the connection."""
        return self._socket.scope

    async def receive(self) -> MutableMapping[str, Any]:
        """Return the next message of ``/v1/stream``, as ASGI has it.

        Raises:
            ProtocolError: The client's message is none of its protocol.
        """
        if not self._is_begun:
            self._is_begun = True
            await self._take(self._adapter.open(dict(self._socket.query_params)))
        while not self._waiting:
            received = await self._socket.receive()
            if received["type"] != "websocket.receive":
                return received
            data = received.get("bytes")
            await self._take(self._adapter.take(received["text"] if data is None else data))
        message = self._waiting.popleft()
        key = "bytes" if isinstance(message, bytes) else "text"
        return {"type": "websocket.receive", key: message}

    async def send_text(self, text: str) -> None:
        """Send what the client is told instead of a message."""
        for message in self._adapter.give(json.loads(text)):
            self._calls.tell(self._adapter.ids, message)
            if not self._adapter.is_quiet or message.get("type") == "error":
                await self._send(message)

    def end(self) -> None:
        """Note that the connection is over, however it ended."""
        self._calls.end(self._adapter.ids)

    async def close(self, code: int = 1000, reason: str | None = None) -> None:
        """Close the connection."""
        await self._socket.close(code, reason)

    async def _take(self, translated: Iterator[Translated]) -> None:
        for message in translated:
            if isinstance(message, Reply):
                await self._send(message.message)
            elif isinstance(message, bytes):
                self._waiting.append(message)
            else:
                self._waiting.append(json.dumps(message, ensure_ascii=False))

    async def _send(self, message: dict[str, Any]) -> None:
        await self._socket.send_text(json.dumps(message, ensure_ascii=False))
