"""`Calls`: the results of calls, for connections that listen to them.

A telephone service that sends a call has no use for what it is answered. So a program listens to
the call on a connection of its own, ``/v1/calls/ID``, opened before the call or while it lasts.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from ser_rt.server.protocol import CLOSE_CODES, ProtocolError

MOST_WAITING = 256
"""Messages that may wait for a listener to read them."""
GOING_AWAY, BEHIND = 1001, 1008


class Calls:
    """Who listens to which call, by the call's ids; a call may have several streams."""

    def __init__(self) -> None:
        self._listeners: dict[str, set[CallListener]] = {}
        self._ready: dict[str, dict[tuple[str, ...], dict[str, Any]]] = {}

    def tell(self, ids: tuple[str, ...], message: dict[str, Any]) -> None:
        """Pass a message of a stream on to those who listen to its call."""
        for name in ids:
            if message.get("type") == "ready":
                self._ready.setdefault(name, {})[ids] = message
            for listener in self._listeners.get(name, ()):
                listener.tell(message)

    def end(self, ids: tuple[str, ...]) -> None:
        """Note that a stream is over, and its call, if that has no other."""
        for name in ids:
            streams = self._ready.get(name, {})
            streams.pop(ids, None)
            if not streams:
                self._ready.pop(name, None)
                for listener in self._listeners.get(name, ()):
                    listener.tell(None)

    def join(self, name: str, listener: CallListener) -> None:
        """Listen to a call from now on; the ``ready`` of each stream that lasts comes first."""
        self._listeners.setdefault(name, set()).add(listener)
        for ready in self._ready.get(name, {}).values():
            listener.tell(ready)

    def leave(self, name: str, listener: CallListener) -> None:
        """Listen no longer."""
        self._listeners[name].discard(listener)
        if not self._listeners[name]:
            del self._listeners[name]


class CallListener:
    """One connection that listens to a call."""

    def __init__(self, socket: WebSocket, name: str, calls: Calls) -> None:
        """Take an accepted connection."""
        self._socket, self._name, self._calls = socket, name, calls
        self._waiting: asyncio.Queue[dict[str, Any] | int] = asyncio.Queue()
        self._has_begun = False

    def tell(self, message: dict[str, Any] | None) -> None:
        """Queue a message, or the end; a listener that does not read is cut off."""
        self._has_begun = True
        if message is None:
            self._waiting.put_nowait(1000)
        elif self._waiting.qsize() < MOST_WAITING:
            self._waiting.put_nowait(message)
        else:
            self._waiting.put_nowait(BEHIND)

    def drain(self) -> None:
        """End, since the server shuts down; a call that lasts is ended by itself."""
        if not self._has_begun:
            self._waiting.put_nowait(GOING_AWAY)

    async def run(self, patience_s: float) -> None:
        """Send what is told until the call ends; it must begin within some seconds."""
        self._calls.join(self._name, self)
        leaving = asyncio.create_task(self._left())
        sending = asyncio.create_task(self._send(patience_s))
        try:
            await asyncio.wait((leaving, sending), return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._calls.leave(self._name, self)
            for task in (leaving, sending):
                task.cancel()
            await asyncio.gather(leaving, sending, return_exceptions=True)

    async def _send(self, patience_s: float) -> None:
        try:
            async with asyncio.timeout(patience_s):
                told = await self._waiting.get()
        except TimeoutError:
            msg = f"no call {self._name[:80]} within {patience_s:g} s"
            error = ProtocolError(msg, "idle_timeout")
            await self._socket.send_json(error.to_dict())
            await self._socket.close(CLOSE_CODES[error.code])
            return
        while not isinstance(told, int):
            await self._socket.send_json(told)
            told = await self._waiting.get()
        await self._socket.close(told)

    async def _left(self) -> None:
        """Wait until the client is gone; what it sends means nothing."""
        with suppress(WebSocketDisconnect):
            while (await self._socket.receive())["type"] != "websocket.disconnect":
                pass
