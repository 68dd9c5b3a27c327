"""`StreamSession`: one connection of ``/v1/stream``."""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from starlette.datastructures import Headers
from starlette.websockets import WebSocket, WebSocketDisconnect

from ser_rt.errors import AudioError, ClusterError, ConfigError, SerError
from ser_rt.server.adapters.socket import AdaptedSocket
from ser_rt.server.limits import CONFIG_TIMEOUT_S
from ser_rt.server.logs import logged_as
from ser_rt.server.message_queue import AudioMessage, ControlMessage, Item
from ser_rt.server.protocol import (
    CLOSE_CODES,
    ProtocolError,
    StreamConfig,
    event_message,
    read_message,
    ready,
)
from ser_rt.server.service import Service
from ser_rt.server.stream_state import Events, ServerStream

logger = logging.getLogger(__name__)

NORMAL, GOING_AWAY = 1000, 1001

CUT_OFF = "ser_rt.cut_off"
"""Key of the scope under which a transport notes that it closed the connection, and the code."""


class StreamSession:
    """Reads messages and processes them at the same time, so that arrival times are right."""

    def __init__(self, socket: WebSocket | AdaptedSocket, service: Service) -> None:
        self._socket, self._service = socket, service
        self._limits = service.limits
        self._queue = service.message_queue()
        self._is_draining = asyncio.Event()
        self._is_streaming = False
        self.id = secrets.token_hex(8)

    def drain(self) -> None:
        """End the stream once the audio that has arrived is processed: the server shuts down."""
        self._is_draining.set()
        if not self._is_streaming:
            self._goodbye = asyncio.ensure_future(self._close(GOING_AWAY))

    async def run(self) -> None:
        """Serve the stream to its end."""
        headers = Headers(scope=self._socket.scope)
        with logged_as(session=self.id), self._service.trace("stream", headers) as self._trace:
            self._trace.note(session=self.id)
            await self._run()

    async def _run(self) -> None:
        self._service.sessions.add(self)
        self._service.metrics.opened.inc()
        code = 1006
        try:
            async with asyncio.timeout(self._limits.max_session_s):
                code = await self._serve()
        except WebSocketDisconnect as left:
            code = self._socket.scope["extensions"].get(CUT_OFF, {}).get("code", left.code)
        except TimeoutError:
            msg = f"a stream may last {self._limits.max_session_s:g} s; open another one"
            code = await self._fail(ProtocolError(msg, "session_too_long"))
        except ProtocolError as error:
            code = await self._fail(error)
        except ConfigError as error:
            code = await self._fail(ProtocolError(str(error), "bad_config"))
        except AudioError as error:
            code = await self._fail(ProtocolError(str(error), "bad_audio"))
        except ClusterError as error:  # another replica may have what this one lacks
            logger.warning("stream %s: %s", self.id, error)
            code = GOING_AWAY
            await self._close(code)
        except SerError as error:
            logger.exception("stream %s", self.id)
            code = await self._fail(ProtocolError(str(error), "model_failed"))
        except Exception:
            logger.exception("stream %s", self.id)
            code = await self._fail(ProtocolError("a fault of the server", "internal"))
        finally:
            self._service.sessions.discard(self)
            self._service.metrics.close(code)
            self._trace.note(close_code=code)
            logger.info("stream %s ended with %d", self.id, code)

    async def _serve(self) -> int:
        self._config = StreamConfig.of(await self._first_message())
        self._stream = ServerStream(
            self._service.batcher.open(),
            self._config,
            max_audio_s=self._limits.max_session_s,
            trace=self._trace,
            clock=self._service.clock,
        )
        try:
            await self._send_ready()
            return await self._process()
        finally:
            self._stream.close()

    async def _first_message(self) -> dict[str, Any]:
        try:
            async with asyncio.timeout(CONFIG_TIMEOUT_S):
                received = await self._received()
        except TimeoutError:
            msg = f"no config within {CONFIG_TIMEOUT_S:g} s"
            raise ProtocolError(msg, "config_expected") from None
        if isinstance(received, bytes):
            msg = "the first message must be config, and audio follows ready"
            raise ProtocolError(msg, "config_expected")
        message = read_message(received)
        if message["type"] != "config":
            msg = f"the first message must be config, not {message['type']}"
            raise ProtocolError(msg, "config_expected")
        return message

    async def _process(self) -> int:
        """Process messages until the end; return the close code."""
        self._is_streaming = True
        reading = asyncio.create_task(self._read())
        working = asyncio.create_task(self._work())
        draining = asyncio.create_task(self._is_draining.wait())
        tasks: set[asyncio.Task[Any]] = {reading, working, draining}
        watched = tasks.copy()
        try:
            while not working.done():
                done, watched = await asyncio.wait(watched, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
                if draining in done and reading in watched:
                    reading.cancel()
                    watched.remove(reading)
                    self._queue.end()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        is_cut_off = self._is_draining.is_set()
        summary = self._stream.summary(interrupted=is_cut_off)
        await self._socket.send_text(summary.to_json(timing=self._config.timing))
        code = GOING_AWAY if is_cut_off else NORMAL
        await self._socket.close(code)
        return code

    async def _read(self) -> None:
        """Put messages into the queue, until `close`."""
        item: Item
        while True:
            try:
                async with asyncio.timeout(self._limits.idle_timeout_s):
                    received = await self._received()
            except TimeoutError:
                msg = f"no message for {self._limits.idle_timeout_s:g} s; send keepalive"
                raise ProtocolError(msg, "idle_timeout") from None
            if isinstance(received, bytes):
                if len(received) > self._limits.max_message_bytes:
                    msg = f"a message may have {self._limits.max_message_bytes} bytes"
                    raise ProtocolError(msg, "message_too_big")
                item = AudioMessage(received, self._service.clock())
            else:
                item = ControlMessage(read_message(received))
            await self._queue.put(item)
            if isinstance(item, ControlMessage) and item.message["type"] == "close":
                return

    async def _work(self) -> None:
        """Process the messages of the queue, until `close`."""
        while True:
            items = await self._queue.get()
            if isinstance(items[0], ControlMessage):
                if await self._control(items[0].message):
                    return
            else:
                audio = (item for item in items if isinstance(item, AudioMessage))
                await self._write(events for item in audio for events in self._stream.feed(*item))

    async def _control(self, message: dict[str, Any]) -> bool:
        """Carry out a control message; return whether it was the last one."""
        match message["type"]:
            case "close":
                is_cut_off = self._is_draining.is_set()
                await self._write(self._stream.finish(interrupted=is_cut_off))
                return True
            case "finalize":
                await self._write(self._stream.finalize())
                await self._send({"type": "finalized", "end": self._stream.end_s})
            case "gap":
                await self._write(self._stream.gap(message["seconds"]))
            case "reset":
                self._stream.reset()
                await self._send_ready()
            case "config":
                msg = "there can be one config only; open another stream"
                raise ProtocolError(msg, "bad_message")
            case _ if "id" in message:
                await self._send({"type": "alive", "id": message["id"]})
        return False

    async def _write(self, pieces: Iterator[Events]) -> None:
        """Send events as the worker threads yield them."""
        stream = self._stream
        before_s, skipped = stream.total_s, stream.skipped_windows
        async for events in self._service.in_slices(pieces):
            self._service.metrics.audio.inc(stream.total_s - before_s)
            self._service.metrics.dropped.inc(max(0, stream.skipped_windows - skipped))
            self._service.metrics.count(events)
            for event in events:
                self._trace.result(event)
                await self._send(event_message(event, self._config))
            before_s, skipped = stream.total_s, stream.skipped_windows

    async def _received(self) -> bytes | str:
        received = await self._socket.receive()
        if received["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(received.get("code", 1006))
        data: bytes | str | None = received.get("bytes")
        return str(received["text"]) if data is None else data

    async def _send_ready(self) -> None:
        await self._send(ready(self.id, self._service.model, self._config, self._limits))

    async def _send(self, message: dict[str, Any]) -> None:
        await self._socket.send_text(json.dumps(message, ensure_ascii=False))

    async def _fail(self, error: ProtocolError) -> int:
        """Send the error if the connection still stands, close, and return the close code."""
        if error.code == "shutting_down":  # the close code is enough
            await self._close(GOING_AWAY)
            return GOING_AWAY
        self._trace.fail(error.code)
        code = CLOSE_CODES[error.code]
        with suppress(WebSocketDisconnect, RuntimeError):
            await self._send(error.to_dict())
        await self._close(code, error.code)
        return code

    async def _close(self, code: int, reason: str = "") -> None:
        """Close the connection, if it is not closed already."""
        with suppress(WebSocketDisconnect, RuntimeError):
            await self._socket.close(code, reason)
