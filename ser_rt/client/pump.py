"""`AsyncSourceReader`: the chunks of a source for asyncio, read in a thread."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress

from ser_rt.audio.chunk import AudioChunk, AudioSource

MAX_CHUNKS = 32
PATIENCE_S = 1.0


class AsyncSourceReader:
    """Takes chunks out of an open source, at most `MAX_CHUNKS` ahead.

    Attributes:
        error: The exception that ended the source early.
    """

    def __init__(self, source: AudioSource) -> None:
        self._source = source
        self._loop = asyncio.get_running_loop()
        self._queue: asyncio.Queue[AudioChunk | None] = asyncio.Queue(MAX_CHUNKS)
        self._head: list[AudioChunk | None] = []
        self._is_closed = False
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="ser-rt-source", daemon=True)
        self._thread.start()

    async def peek(self) -> AudioChunk | None:
        """Wait for the next chunk and return it without taking it; None at the end."""
        if not self._head:
            self._head.append(await self._queue.get())
        return self._head[0]

    def take(self) -> None:
        """Take the chunk that `peek` returned."""
        self._head.clear()

    async def wait(self, seconds: float, *, discard: bool) -> None:
        """Wait; with ``discard`` drop the live audio that arrives meanwhile."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while discard and await self.peek() is not None:
                    self.take()
                await asyncio.Event().wait()

    async def close(self) -> None:
        """End the source, and the thread, unless that waits for bytes of a network or pipe."""
        self._is_closed = True
        self._source.close()
        ends_at = self._loop.time() + PATIENCE_S
        while self._thread.is_alive() and self._loop.time() < ends_at:
            while not self._queue.empty():
                self._queue.get_nowait()
            await asyncio.to_thread(self._thread.join, 0.05)

    def _run(self) -> None:
        try:
            for chunk in self._source:
                self._put(chunk)
                if self._is_closed:
                    break
        except BaseException as error:  # noqa: BLE001 (raised again where the events are read)
            self.error = error
        finally:
            self._put(None)

    def _put(self, chunk: AudioChunk | None) -> None:
        asyncio.run_coroutine_threadsafe(self._queue.put(chunk), self._loop).result()
