"""The client for asyncio, over the websockets library."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from typing import Unpack

from ser_rt.audio.chunk import AudioChunk
from ser_rt.client.conversation import ClientProtocol, Ready, read
from ser_rt.client.pump import AsyncSourceReader
from ser_rt.constants import SAMPLE_RATE
from ser_rt.errors import ConfigError, MissingDependencyError, ServerError
from ser_rt.runtime.event import EmotionEvent
from ser_rt.runtime.settings import StreamKeywords, StreamSettings
from ser_rt.runtime.stream import Audio, as_source

try:
    from websockets.asyncio.client import ClientConnection, connect
    from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI
except ImportError as error:
    _msg = f"the client needs websockets ({error}): pip install 'ser-rt[client]'"
    raise MissingDependencyError(_msg) from error

OPEN_TIMEOUT_S = 10.0
FIRST_RETRY_S, MAX_RETRY_S, RETRY_GROWTH = 0.25, 10.0, 2.0
PING_TIMEOUT_S = 60.0
"""Pings wait behind audio that a busy server has not read yet."""

KEEPALIVE_S = 15.0
"""Servers end streams that are silent for long."""

PASSING = (429, 500, 502, 503, 504)
"""Statuses of a server, or of a proxy before it, that may be well again later."""

GAP_TIMEOUT_S = 1.0
"""How long a new connection waits for live audio, to know where it goes on."""

LASTING = (1002, 1003, 1007, 1009)
"""Close codes of a server that would close the next connection as well."""

Tell = Callable[[EmotionEvent], None]


class _LostError(ServerError):
    """The server may be back later."""


class ClientSettings(StreamKeywords, total=False):
    """What `AsyncClient` takes beside the URL."""

    token: str | None
    reconnect: bool
    encoding: str
    timing: bool


class AsyncClient:
    """Sends audio to a server and yields the events that it hears.

    Example:
        >>> async for event in AsyncClient(url).stream("speech.wav"):  # doctest: +SKIP
        ...     print(event.end, event.emotion)
    """

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        reconnect: bool = True,
        encoding: str = "pcm_f32le",
        timing: bool = True,
        **settings: Unpack[StreamKeywords],
    ) -> None:
        """Name a server; nothing is sent yet.

        Args:
            url: Such as ``ws://127.0.0.1:8765/v1/stream``.
            token: One of its keys.
            reconnect: Whether to connect again when the connection is lost, for as long as it
                takes. A recording goes on where it was, live audio with a gap; warnings say so
                (``stream_lost``, ``stream_back``).
            encoding: ``pcm_f32le``, or ``pcm_s16le`` for half of the bytes.
            timing: Whether events have latencies: those of the server, and ``network``.
            **settings: See `StreamSettings`; what is left out is as the server's model was made
                for.
        """
        self._url, self._token, self._reconnect = url, token, reconnect
        self._encoding, self._timing, self._settings = (
            encoding,
            timing,
            StreamSettings.of(**settings),
        )

    async def ready(self) -> Ready:
        """Ask what the server is.

        Raises:
            ServerError: It is not there, or refuses.
        """
        connection = await self._connected()
        try:
            async with asyncio.timeout(OPEN_TIMEOUT_S):
                for message in self.conversation().begin():
                    await connection.send(message)
                return Ready.of(read(str(await connection.recv())))
        except ConnectionClosed as error:
            raise _closed(error) from error
        except TimeoutError as error:
            msg = f"no answer from {self._url} within {OPEN_TIMEOUT_S:g} s"
            raise ServerError(msg) from error
        finally:
            await connection.close()

    def conversation(self) -> ClientProtocol:
        """Return the state of a new stream."""
        return ClientProtocol(self._settings, encoding=self._encoding, timing=self._timing)

    async def stream(
        self,
        audio: Audio,
        *,
        sample_rate: int | None = None,
        conversation: ClientProtocol | None = None,
    ) -> AsyncGenerator[EmotionEvent, None]:
        """Yield what the server hears; audio and ``sample_rate`` as of `ser_rt.stream`.

        Raises:
            ServerError: The server refuses, fails, or is lost and ``reconnect`` is off.
            SerError: The audio breaks; first come the events of what was heard.
        """
        talk = conversation or self.conversation()
        with as_source(audio, sample_rate, SAMPLE_RATE) as source:
            pump = AsyncSourceReader(source)
            try:
                async for event in self._events(talk, pump):
                    yield event
            finally:
                await pump.close()
        if pump.error is not None:
            raise pump.error

    async def _events(
        self, talk: ClientProtocol, pump: AsyncSourceReader
    ) -> AsyncGenerator[EmotionEvent, None]:
        delay_s, is_first = FIRST_RETRY_S, True
        first = await pump.peek()
        talk.is_live = first is not None and first.is_live
        while True:
            why = "it closed the connection"
            try:
                connection = await self._connected()
                is_first = False
                async with aclosing(self._heard(talk, pump, connection)) as events:
                    async for event in events:
                        delay_s = FIRST_RETRY_S
                        yield event
            except _LostError as error:
                if is_first or not self._reconnect:
                    raise
                why = str(error)
            if talk.is_over:
                return
            if not self._reconnect:
                msg = f"the server is lost: {why}"
                raise ServerError(msg)
            for event in talk.lost(why):
                yield event
            await pump.wait(delay_s, discard=talk.is_live)
            delay_s = min(MAX_RETRY_S, delay_s * RETRY_GROWTH)

    async def _heard(
        self, talk: ClientProtocol, pump: AsyncSourceReader, connection: ClientConnection
    ) -> AsyncGenerator[EmotionEvent, None]:
        """Yield the events of one connection; it ends with the audio, or with the connection."""
        events: asyncio.Queue[EmotionEvent | None] = asyncio.Queue()
        heard = asyncio.Event()
        tasks = [
            asyncio.create_task(self._send(talk, pump, connection, events.put_nowait, heard)),
            asyncio.create_task(self._receive(talk, connection, events.put_nowait, heard)),
        ]
        tasks[1].add_done_callback(lambda _: events.put_nowait(None))
        try:
            while (event := await events.get()) is not None:
                yield event
            tasks[1].result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await connection.close()

    async def _receive(
        self, talk: ClientProtocol, connection: ClientConnection, tell: Tell, heard: asyncio.Event
    ) -> None:
        try:
            async for text in connection:
                for event in talk.heard(str(text)):
                    tell(event)
                heard.set()
        except ConnectionClosed as error:
            raise _closed(error) from error

    async def _send(
        self,
        talk: ClientProtocol,
        pump: AsyncSourceReader,
        connection: ClientConnection,
        tell: Tell,
        heard: asyncio.Event,
    ) -> None:
        with suppress(ConnectionClosed):  # what receives will say so
            for message in talk.begin(await self._next_start(talk, pump)):
                await connection.send(message)
            while (chunk := await self._next_chunk(pump, connection)) is not None:
                pump.take()
                for event in talk.warnings(chunk):
                    tell(event)
                for message in talk.send(chunk):
                    await connection.send(message)
                while not talk.has_room:
                    heard.clear()
                    await heard.wait()
            await connection.send('{"type": "close"}')

    async def _next_start(self, talk: ClientProtocol, pump: AsyncSourceReader) -> int:
        """Return where live audio goes on, so that what is missing is said rightly."""
        chunk = None
        if talk.has_gap:
            with suppress(TimeoutError):
                async with asyncio.timeout(GAP_TIMEOUT_S):
                    chunk = await pump.peek()
        return 0 if chunk is None else chunk.start

    async def _next_chunk(
        self, pump: AsyncSourceReader, connection: ClientConnection
    ) -> AudioChunk | None:
        while True:
            try:
                async with asyncio.timeout(KEEPALIVE_S):
                    return await pump.peek()
            except TimeoutError:
                await connection.send('{"type": "keepalive"}')

    async def _connected(self) -> ClientConnection:
        headers = {} if self._token is None else {"Authorization": f"Bearer {self._token}"}
        try:
            return await connect(
                self._url,
                additional_headers=headers,
                compression=None,
                open_timeout=OPEN_TIMEOUT_S,
                ping_timeout=PING_TIMEOUT_S,
                max_size=1 << 22,
            )
        except InvalidStatus as error:
            raise _refused(error) from error
        except InvalidURI as error:
            msg = f"{self._url!r} is no address such as ws://127.0.0.1:8765/v1/stream"
            raise ConfigError(msg) from error
        except (InvalidHandshake, OSError, TimeoutError) as error:
            msg = f"no server at {self._url}: {str(error) or 'no answer'}"
            raise _LostError(msg) from error


def _refused(error: InvalidStatus) -> ServerError:
    """Return what a server says instead of accepting a connection."""
    status, body = error.response.status_code, error.response.body or b""
    try:
        said = json.loads(body)
        message = f"{said['code']}: {said['message']}"
    except (ValueError, KeyError, TypeError):
        message = f"HTTP status {status}"
    kind = _LostError if status in PASSING else ServerError
    return kind(f"the server refuses: {message}")


def _closed(error: ConnectionClosed) -> ServerError:
    """Return why a connection was closed."""
    if error.rcvd is None:
        return _LostError("the connection broke")
    kind = ServerError if error.rcvd.code in LASTING else _LostError
    return kind(f"it closed the connection with {error.rcvd.code} {error.rcvd.reason}".rstrip())
