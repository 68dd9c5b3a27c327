"""uvicorn with bounded send buffers, a deadline for headers, and an orderly shutdown."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import h11
import uvicorn
from uvicorn._types import ASGISendEvent
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from ser_rt.cli.signals import ENDING, is_ignored
from ser_rt.server.limits import CONFIG_TIMEOUT_S, ServerLimits
from ser_rt.server.service import Service
from ser_rt.server.session import CUT_OFF

logger = logging.getLogger(__name__)

TOO_SLOW = 1008
GRACE_S = 5.0
"""For a client to take the close frame before its connection is cut."""

LINGER_S = 30.0
"""For a client to read all that was sent before the close frame."""

HEADER_BYTES = 16_384
KERNEL_BUFFER_BYTES = 65_536
HTTP_CONNECTIONS = 500
"""Beyond those of streams; a silent one lasts `CONFIG_TIMEOUT_S`."""


class Http(H11Protocol):
    """HTTP with a deadline for request headers."""

    _header_deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        """Start the clock."""
        super().connection_made(transport)
        self._start_clock()

    def data_received(self, data: bytes) -> None:
        """Stop the clock when a header is whole; start it again when the next one begins."""
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._stop_clock()
        elif self._header_deadline is None and self.conn.trailing_data[0]:
            self._start_clock()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """Stop the clock: the connection is no longer HTTP."""
        self._stop_clock()
        super().handle_websocket_upgrade(event)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock."""
        self._stop_clock()
        super().connection_lost(exc)

    def _start_clock(self) -> None:
        self._header_deadline = self.loop.call_later(CONFIG_TIMEOUT_S, self.transport.abort)

    def _stop_clock(self) -> None:
        if self._header_deadline is not None:
            self._header_deadline.cancel()
            self._header_deadline = None


class BoundedWebSocket(WebSocketsSansIOProtocol):
    """A WebSocket with a bounded send buffer: a client that does not read is disconnected."""

    limits: ServerLimits = ServerLimits()
    _received_at = 0.0
    _is_discarding = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Set the bounds."""
        super().connection_made(transport)
        found = transport.get_extra_info("socket")
        if found is not None and found.family != getattr(socket, "AF_UNIX", None):
            found.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, KERNEL_BUFFER_BYTES)
        self.transport.set_write_buffer_limits(high=self.limits.send_buffer_bytes)

    def data_received(self, data: bytes) -> None:
        """Note when the client last sent something."""
        self._received_at = self.loop.time()
        if not self._is_discarding:
            super().data_received(data)

    def handle_parser_exception(self) -> None:
        """Close, and read on but discard: TCP would lose the close frame with unread data."""
        self._is_discarding = True
        code = 1006 if self.conn.close_sent is None else int(self.conn.close_sent.code)
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code})
        self.transport.write(b"".join(self.conn.data_to_send()))
        if self.transport.can_write_eof():
            self.transport.write_eof()  # the client's close frame is discarded: do not wait for it
        self.close_sent = True
        self.stop_keepalive()
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()
        self.close_timer = self.loop.call_later(GRACE_S, self.transport.abort)

    def pause_writing(self) -> None:
        """Close the connection of a client for which too much waits."""
        if not self.close_sent and self.handshake_complete and not self.transport.is_closing():
            self.conn.send_close(TOO_SLOW, "too_slow")
            self.transport.write(b"".join(self.conn.data_to_send()))
            self.close_sent = True
            self.scope["extensions"][CUT_OFF] = {"code": TOO_SLOW}
            self.queue.put_nowait({"type": "websocket.disconnect", "code": TOO_SLOW})
            self.stop_keepalive()
        # Nobody waits for the client: whatever it has not read by then is lost.
        self.loop.call_later(GRACE_S, self.transport.abort)

    async def send(self, message: ASGISendEvent) -> None:
        """Send, or raise `ClientDisconnected`: uvicorn would take it for a fault of the caller."""
        if self.close_sent and self.handshake_complete and self.initial_response is None:
            raise ClientDisconnected
        await super().send(message)
        if self.initial_response is not None and self.close_sent:
            self.handshake_complete = True  # it was refused: uvicorn takes that for a fault as well
        elif message["type"] == "websocket.close":
            self.loop.call_later(LINGER_S, self.transport.abort)

    def keepalive_timeout(self) -> None:
        """Close the connection of a client that answers no pings, unless its audio delays them."""
        if self.read_paused or self._received_at > self.ping_sent_at:
            self.pending_ping_payload = None
            self.schedule_ping()
            return
        super().keepalive_timeout()
        self.loop.call_later(GRACE_S, self.transport.abort)


class Server(uvicorn.Server):
    """A uvicorn server that ends streams before it shuts down."""

    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        super().__init__(config)
        self.service = service
        self.reload: Callable[[], None] | None = None
        """What SIGHUP does in a process without a terminal; None ends it, as a terminal's would."""

    @property
    def port(self) -> int:
        """The port that the server listens on."""
        port: int = self.servers[0].sockets[0].getsockname()[1]
        return port

    async def on_tick(self, counter: int) -> bool:
        """Return whether to stop: as uvicorn does, or because the model does not run."""
        return await super().on_tick(counter) or self.service.failure is not None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to listen, and log the address."""
        await super().startup(sockets)
        if self.started:
            scheme = "https" if self.config.is_ssl else "http"
            host = f"[{self.config.host}]" if ":" in self.config.host else self.config.host
            logger.info("listening at %s://%s:%d/", scheme, host, self.port)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop accepting connections, end the streams, then shut down."""
        for server in self.servers:
            server.close()
        await self.service.drain()
        await super().shutdown(sockets)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handle signals as requests to shut down; uvicorn would raise them again at the end."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {
            number: signal.signal(number, self.handle_exit)
            for number in (signal.SIGINT, *ENDING)
            if number == signal.SIGINT or not is_ignored(number)
        }
        hang_up = getattr(signal, "SIGHUP", None)
        if self.reload is not None and hang_up is not None and not _has_terminal():
            before.setdefault(hang_up, signal.getsignal(hang_up))
            reload = self.reload
            signal.signal(hang_up, lambda *_: reload())
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _has_terminal() -> bool:
    """Return whether this process hears of a terminal that closes."""
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | getattr(os, "O_NOCTTY", 0)))
    except OSError:
        return False
    return True


def make_server(app: Any, service: Service, **settings: Any) -> Server:
    """Return a server of an application; ``settings`` are uvicorn's."""
    limits = service.limits
    websocket = type("WebSocket", (BoundedWebSocket,), {"limits": limits})
    config = uvicorn.Config(
        app,
        http=Http,
        ws=websocket,
        ws_max_size=limits.max_message_bytes,
        ws_per_message_deflate=False,
        h11_max_incomplete_event_size=HEADER_BYTES,
        limit_concurrency=limits.max_streams + HTTP_CONNECTIONS,
        timeout_graceful_shutdown=1,  # `Service.drain` has given them their time
        lifespan="on",
        server_header=False,
        access_log=False,
        log_config=None,
        # Its lines of lower levels hold addresses, and so the keys in them.
        log_level="warning",
        **settings,
    )
    return Server(config, service)
