"""`AsyncClient`: the client for asyncio, over the websockets library."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from typing import Unpack

from ser_rt.audio.channels import Channel, is_divided
from ser_rt.audio.chunk import AudioChunk
from ser_rt.audio.retry import backoff
from ser_rt.client.conversation import ClientProtocol
from ser_rt.client.joined_channels import JoinedChannels
from ser_rt.client.messages import LostError, Ready, read
from ser_rt.client.pump import AsyncSourceReader
from ser_rt.constants import SAMPLE_RATE
from ser_rt.errors import ConfigError, ServerError, requires
from ser_rt.runtime.event import Event
from ser_rt.runtime.settings import StreamKeywords, StreamSettings
from ser_rt.runtime.stream import Audio, as_source
from ser_rt.runtime.summary.overall import Classification

with requires("websockets", "client"):
    from websockets.asyncio.client import ClientConnection, connect
    from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI

OPEN_TIMEOUT_S = 10.0
FIRST_RETRY_S, MAX_RETRY_S = 0.25, 10.0
PING_TIMEOUT_S = 60.0
"""Pings wait behind audio that a busy server has not read yet."""

MAX_EVENTS = 64
"""Events of a recording that may wait for a slow reader while more audio is sent."""

KEEPALIVE_S = 15.0
"""Interval of keepalive messages: servers end streams without messages."""

PASSING = (429, 500, 502, 503, 504)
"""HTTP statuses of a server, or of a proxy before it, that are worth another try."""

GAP_TIMEOUT_S = 1.0
"""How long a new connection waits for live audio, to know where it resumes."""

LASTING = (1002, 1003, 1007, 1009)
"""Close codes after which the next connection would be closed as well."""


class ClientSettings(StreamKeywords, total=False):
    """Keyword arguments of `AsyncClient`."""

    token: str | None
    reconnect: bool
    encoding: str
    timing: bool
    channel: Channel


class AsyncClient:
    """Sends audio to a server and yields events.

    Example:
        >>> async def types():
        ...     return {event.type async for event in AsyncClient(url).stream("speech.wav")}
        >>> sorted(asyncio.run(types()))
        ['emotion']
    """

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        reconnect: bool = True,
        encoding: str = "pcm_f32le",
        timing: bool = True,
        channel: Channel = None,
        **settings: Unpack[StreamKeywords],
    ) -> None:
        """Name a server; nothing is sent yet.

        Args:
            url: Such as ``ws://127.0.0.1:8765/v1/stream``.
            token: One of its keys.
            reconnect: Whether to connect again when the connection is lost, for as long as it
                takes. A recording resumes where it was, live audio with a gap; warnings mark both
                (``stream_lost``, ``stream_back``).
            encoding: ``pcm_f32le``, or ``pcm_s16le`` for half of the bytes.
            timing: Whether events have latencies: those of the server, and ``network``.
            channel: As of `ser_rt.stream`.
            **settings: See `StreamSettings`; what is left out is as the server's model was made
                for.
        """
        self._url, self._token, self._reconnect = url, token, reconnect
        self._encoding, self._timing = encoding, timing
        self._settings = StreamSettings.of(channel, **settings)

    async def ready(self, conversation: ClientProtocol | None = None) -> Ready:
        """Connect, and return what the server reports of itself.

        Raises:
            ServerError: It does not answer, or refuses.
        """
        connection = await self._connected()
        try:
            async with asyncio.timeout(OPEN_TIMEOUT_S):
                for message in (conversation or self.conversation()).begin():
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
    ) -> AsyncGenerator[Event, None]:
        """Yield the events of a stream; audio and ``sample_rate`` as of `ser_rt.stream`.

        Raises:
            ServerError: The server refuses, fails, or is lost and ``reconnect`` is off.
            SerError: The source fails; the events of the audio before it come first.
        """
        talk = conversation or self.conversation()
        with as_source(audio, sample_rate, SAMPLE_RATE, talk.channel) as source:
            pump = AsyncSourceReader(JoinedChannels(source) if is_divided(talk.channel) else source)
            try:
                async for event in self._events(talk, pump):
                    yield event
            finally:
                await pump.close()
        if pump.error is not None:
            raise pump.error

    async def classify(self, audio: Audio, *, sample_rate: int | None = None) -> Classification:
        """Return the emotion of a whole recording; as `ser_rt.classify`, on the server.

        Raises:
            ServerError: As of `stream`.
            SerError: As of `stream`.
        """
        talk = self.conversation()
        async with aclosing(
            self.stream(audio, sample_rate=sample_rate, conversation=talk)
        ) as events:
            async for _ in events:
                pass
        return talk.overall

    async def _events(
        self, talk: ClientProtocol, pump: AsyncSourceReader
    ) -> AsyncGenerator[Event, None]:
        waits, is_first = backoff(FIRST_RETRY_S, MAX_RETRY_S), True
        talk.meet(await pump.peek())
        while True:
            why = "it closed the connection"
            try:
                connected = _Connection(talk, pump, await self._connected())
                is_first = False
                async with aclosing(connected.stream()) as events:
                    async for event in events:
                        waits = backoff(FIRST_RETRY_S, MAX_RETRY_S)
                        yield event
            except LostError as error:
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
            await pump.wait(next(waits), discard=talk.is_live)

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
            msg = f"{self._url!r} is not an address such as ws://127.0.0.1:8765/v1/stream"
            raise ConfigError(msg) from error
        except (InvalidHandshake, OSError, TimeoutError) as error:
            msg = f"no server at {self._url}: {str(error) or 'no answer'}"
            raise LostError(msg) from error


class _Connection:
    """One connection of a stream: sends its audio, and collects its events."""

    def __init__(
        self, talk: ClientProtocol, pump: AsyncSourceReader, socket: ClientConnection
    ) -> None:
        self._talk, self._pump, self._socket = talk, pump, socket
        self._events: asyncio.Queue[Event | None] = asyncio.Queue()
        self._moved = asyncio.Event()

    async def stream(self) -> AsyncGenerator[Event, None]:
        """Yield the events; they end with the audio, or with the connection."""
        tasks = [asyncio.create_task(self._send()), asyncio.create_task(self._receive())]
        tasks[1].add_done_callback(lambda _: self._events.put_nowait(None))
        try:
            while (event := await self._events.get()) is not None:
                self._moved.set()
                yield event
            tasks[1].result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._socket.close()

    async def _receive(self) -> None:
        try:
            async for text in self._socket:
                for event in self._talk.receive(str(text)):
                    self._events.put_nowait(event)
                self._moved.set()
        except ConnectionClosed as error:
            raise _closed(error) from error

    async def _send(self) -> None:
        with suppress(ConnectionClosed):  # `_receive` raises it
            for message in self._talk.begin(await self._next_start()):
                await self._socket.send(message)
            while (chunk := await self._next_chunk()) is not None:
                self._pump.take()
                for event in self._talk.warnings(chunk):
                    self._events.put_nowait(event)
                for message in self._talk.send(chunk):
                    await self._socket.send(message)
                while not self._has_room:
                    self._moved.clear()
                    await self._moved.wait()
            await self._socket.send('{"type": "close"}')

    @property
    def _has_room(self) -> bool:
        """Whether more should be sent now: a recording waits for its server, and for its reader."""
        is_read = self._talk.is_live or self._events.qsize() < MAX_EVENTS
        return is_read and self._talk.has_room

    async def _next_start(self) -> int:
        """Return the sample at which live audio resumes, so that the gap is reported correctly."""
        chunk = None
        if self._talk.has_gap:
            with suppress(TimeoutError):
                async with asyncio.timeout(GAP_TIMEOUT_S):
                    chunk = await self._pump.peek()
        return 0 if chunk is None else chunk.start

    async def _next_chunk(self) -> AudioChunk | None:
        while True:
            try:
                async with asyncio.timeout(KEEPALIVE_S):
                    return await self._pump.peek()
            except TimeoutError:
                await self._socket.send('{"type": "keepalive"}')


def _refused(error: InvalidStatus) -> ServerError:
    """Return the error of a server that refuses a connection."""
    status, body = error.response.status_code, error.response.body or b""
    try:
        answer = json.loads(body)
        message = f"{answer['code']}: {answer['message']}"
    except (ValueError, KeyError, TypeError):
        message = f"HTTP status {status}"
    kind = LostError if status in PASSING else ServerError
    return kind(f"the server refuses: {message}")


def _closed(error: ConnectionClosed) -> ServerError:
    """Return the error of a connection that was closed."""
    if error.rcvd is None:
        return LostError("the connection broke")
    kind = ServerError if error.rcvd.code in LASTING else LostError
    return kind(f"it closed the connection with {error.rcvd.code} {error.rcvd.reason}".rstrip())
