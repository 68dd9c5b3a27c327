"""`Client`: the client for programs without asyncio, which runs `AsyncClient` in a thread."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Generator, Iterator
from contextlib import suppress
from typing import Self, Unpack

from ser_rt.client.connection import MAX_EVENTS, AsyncClient, ClientSettings
from ser_rt.client.conversation import ClientProtocol
from ser_rt.client.messages import Ready
from ser_rt.runtime.event import Event
from ser_rt.runtime.stream import Audio
from ser_rt.runtime.summary.overall import Classification

_PATIENCE_S = 0.5


class Client:
    """Sends audio to a server and yields events; see `AsyncClient`.

    Example:
        >>> sorted({event.type for event in Client(url).stream("speech.wav")})
        ['emotion']
    """

    def __init__(self, url: str, **settings: Unpack[ClientSettings]) -> None:
        """Name a server; arguments as of `AsyncClient`."""
        self._client = AsyncClient(url, **settings)

    def ready(self) -> Ready:
        """Connect, and return what the server reports of itself.

        Raises:
            ServerError: It does not answer, or refuses.
        """
        return asyncio.run(self._client.ready())

    def classify(self, audio: Audio, *, sample_rate: int | None = None) -> Classification:
        """Return the emotion of a whole recording; arguments as of `AsyncClient.classify`."""
        return asyncio.run(self._client.classify(audio, sample_rate=sample_rate))

    def stream(
        self, audio: Audio, *, sample_rate: int | None = None
    ) -> Generator[Event, None, None]:
        """Yield the events of a stream; arguments and errors as of `AsyncClient.stream`."""
        with EventIterator(self._client, audio, sample_rate) as events:
            yield from events


class EventIterator:
    """An iterator of the events of one stream, which goes on in a thread between them."""

    def __init__(
        self,
        client: AsyncClient,
        audio: Audio,
        sample_rate: int | None = None,
        conversation: ClientProtocol | None = None,
    ) -> None:
        """Start the stream; arguments as of `AsyncClient.stream`."""
        self._stream = client.stream(audio, sample_rate=sample_rate, conversation=conversation)
        self._events: queue.Queue[Event | BaseException | None] = queue.Queue()
        self._room = threading.Semaphore(MAX_EVENTS)
        self._loop = asyncio.new_event_loop()
        self._task = self._loop.create_task(self._collect())
        self._thread = threading.Thread(target=self._run, name="ser-rt-client", daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[Event]:
        return self

    def __next__(self) -> Event:
        event = self._next()
        self._room.release()
        if isinstance(event, Event):
            return event
        self._events.put(None)  # the end is final, however often `next` is called
        if event is not None:
            raise event
        raise StopIteration

    def _next(self) -> Event | BaseException | None:
        while True:  # on Windows, Ctrl-C ends no wait without a limit
            with suppress(queue.Empty):
                return self._events.get(timeout=_PATIENCE_S)

    def close(self) -> None:
        """End the stream early."""
        with suppress(RuntimeError):  # the loop is closed: it has ended by itself
            self._loop.call_soon_threadsafe(self._task.cancel)
        self._room.release()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    async def _collect(self) -> None:
        try:
            async for event in self._stream:
                # A reader that is slow makes the connection wait, and so the server.
                if not self._room.acquire(blocking=False):
                    await asyncio.to_thread(self._room.acquire)
                self._events.put(event)
        finally:
            await self._stream.aclose()

    def _run(self) -> None:
        end: BaseException | None = None
        try:
            self._loop.run_until_complete(self._task)
        except asyncio.CancelledError:
            pass
        except BaseException as error:  # noqa: BLE001 (raised again in the reader's thread)
            end = error
        finally:
            self._loop.run_until_complete(self._loop.shutdown_default_executor())
            self._loop.close()
            self._events.put(end)
