"""`Service`: the model, batcher, worker threads and counters that all streams share."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import Literal, Protocol, TypeVar

import numpy as np

from ser_rt.audio.chunk import AudioChunk
from ser_rt.errors import ConfigError, InferenceError, SerError
from ser_rt.runtime.backends.onnx_classifier import SMALL_MODEL_PARAMETERS
from ser_rt.runtime.backends.providers import PROVIDERS
from ser_rt.runtime.batcher import Batcher
from ser_rt.runtime.engine import make_engine
from ser_rt.runtime.event import Event
from ser_rt.runtime.settings import StreamSettings
from ser_rt.server.calls import Calls
from ser_rt.server.idempotency import KeptAnswers
from ser_rt.server.limits import ServerLimits
from ser_rt.server.message_queue import MessageQueue
from ser_rt.server.metrics import Metrics
from ser_rt.server.model import ServedModel
from ser_rt.server.protocol import ProtocolError
from ser_rt.server.tracing import UNTRACED, Trace, Tracing
from ser_rt.server.upload_threads import UploadThreads

logger = logging.getLogger(__name__)

SLICE_S = 0.05
"""A worker thread serves one stream at most about this long before the next has its turn."""

T = TypeVar("T")
Slice = tuple[list[Event], SerError | bool]
"""Events of an iterator, and its error, or whether it has ended."""
Run = Callable[[Callable[[], Slice]], Awaitable[Slice]]
State = Literal["not_ready", "ready", "shutting_down"]


class Drainable(Protocol):
    """A stream that can be ended early, such as a `StreamSession`."""

    def drain(self) -> None:
        """End as soon as the audio that has arrived is processed."""
        ...


class Service:
    """The parts that all streams of one process share.

    Attributes:
        counters: Makes the metrics.
        answers: Answers to uploads with an ``Idempotency-Key``.
        taken: Number of streams and uploads in progress.
        upload_threads: Where uploads are decoded and classified.
    """

    counters: Callable[[ServedModel], Metrics] = Metrics

    def __init__(
        self,
        model: ServedModel,
        limits: ServerLimits | None = None,
        *,
        max_batch: int | None = None,
        max_wait_s: float = 0.005,
        workers: int | None = None,
        tracing: Tracing | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Serve a model.

        Args:
            model: From `load`.
            limits: Limits of each client.
            max_batch: Windows that share a call of the model; None for 1 on a CPU, where more
                gain nothing, and 16 elsewhere.
            max_wait_s: How long a window waits for others to share a call with.
            workers: Calls of the model at once; None for one per core where a small model has
                one thread on a CPU, else one.
            tracing: Follows sessions; None for nothing of the kind.
            clock: Monotonic time in seconds.
        """
        self.model, self.limits, self.clock = model, limits or ServerLimits(), clock
        self.metrics = self.counters(model)
        self._tracing = tracing
        self.answers = KeptAnswers(clock)
        provider = PROVIDERS[model.provider]
        max_batch = provider.batch(max_batch)
        if workers is None:
            is_small = model.bundle.parameters < SMALL_MODEL_PARAMETERS
            workers = (os.cpu_count() or 1) if provider.device == "cpu" and is_small else 1
        self.batcher = Batcher(
            model,
            max_batch=max_batch,
            max_wait_s=max_wait_s,
            workers=workers,
            observe=self.metrics.observe,
            clock=clock,
        )
        # A thread waits for the model's result: enough of them must wait to fill its calls.
        threads = min(self.limits.max_streams, workers * (max_batch + 1) + 1)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="ser-rt-stream")
        self.upload_threads = UploadThreads(max(2, workers))
        self.state: State = "not_ready"
        self.failure: SerError | None = None
        self.sessions: set[Drainable] = set()
        self.calls = Calls()
        self._starting = asyncio.Lock()
        self._is_closed = False
        self.taken = self._uploads = 0
        self._is_idle = asyncio.Event()
        self._is_idle.set()
        self.metrics.watch(
            streams=lambda: self.taken,
            waiting=lambda: self.batcher.waiting,
            most=self.limits.max_streams,
        )

    def refusal(self) -> ProtocolError | None:
        """Return why no new stream can be taken now, or None."""
        if self.state == "not_ready":
            return ProtocolError("the model is warming up; try again in a moment", "not_ready")
        if self.state == "shutting_down":
            return ProtocolError("the server is shutting down", "shutting_down")
        if self.taken >= self.limits.max_streams:
            msg = f"all {self.limits.max_streams} streams are taken; try again later"
            return ProtocolError(msg, "server_full")
        return None

    def message_queue(self) -> MessageQueue:
        """Return the queue of the messages of a new stream."""
        return MessageQueue(self.limits.max_message_bytes)

    def trace(self, name: str, headers: Mapping[str, str]) -> AbstractContextManager[Trace]:
        """Return the trace of a session, for a ``with`` around it."""
        if self._tracing is None:
            return nullcontext(UNTRACED)
        return self._tracing.session(name, headers)

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Occupy one of the streams.

        Raises:
            ProtocolError: There is none.
        """
        refusal = self.refusal()
        if refusal is not None:
            raise refusal
        self.taken += 1
        self._is_idle.clear()
        try:
            yield
        finally:
            self.taken -= 1
            if not self.taken:
                self._is_idle.set()

    @contextmanager
    def upload_slot(self) -> Iterator[None]:
        """Occupy a stream for an upload; there are few, so that their files fit on a disk.

        Raises:
            ProtocolError: There is none.
        """
        if self._uploads + self.upload_threads.abandoned >= self.limits.max_uploads:
            msg = f"all {self.limits.max_uploads} uploads are taken; try again later"
            raise ProtocolError(msg, "server_full")
        with self.slot():
            self._uploads += 1
            try:
                yield
            finally:
                self._uploads -= 1

    async def in_thread(self, work: Callable[[], T]) -> T:
        """Run a function in a worker thread.

        Raises:
            ProtocolError: The server is shutting down.
        """
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        except RuntimeError as error:  # of the pool, or an `InferenceError` of the batcher
            if not self._is_closed:
                raise
            msg = "the server is shutting down"
            raise ProtocolError(msg, "shutting_down") from error

    async def in_slices(
        self, pieces: Iterator[list[Event]], run: Run | None = None
    ) -> AsyncIterator[list[Event]]:
        """Run an iterator in slices of about `SLICE_S`; yield the events of each.

        Args:
            pieces: The iterator.
            run: Runs a slice; None for `in_thread`.

        Raises:
            SerError: As the iterator does, after the events before it have been yielded.
        """

        def work() -> Slice:
            events: list[Event] = []
            ends_at = self.clock() + SLICE_S
            try:
                for some in pieces:
                    events += some
                    if self.clock() > ends_at:
                        return events, False
            except SerError as error:
                return events, error
            return events, True

        end: SerError | bool = False
        while end is False:
            events, end = await (run or self.in_thread)(work)
            yield events
        if isinstance(end, InferenceError) and self._is_closed:
            msg = "the server is shutting down"
            raise ProtocolError(msg, "shutting_down") from end
        if isinstance(end, SerError):
            raise end

    async def start(self) -> None:
        """Warm the model up, once; the state is `ready` after that, or there is a `failure`."""
        async with self._starting:
            if self.state != "not_ready" or self.failure is not None:
                return
            try:
                await self.in_thread(self._warm_up)
            except SerError as error:
                self.failure = error
            else:
                if self.state == "not_ready":
                    self.state = "ready"

    async def drain(self) -> None:
        """Refuse new streams and end the open ones; wait for their end, at most `drain_s`."""
        self.state = "shutting_down"
        for session in list(self.sessions):
            session.drain()
        try:
            async with asyncio.timeout(self.limits.drain_s):
                await self._is_idle.wait()
        except TimeoutError:
            logger.warning("%d streams and uploads did not end in time", self.taken)

    def close(self) -> None:
        """End the threads; windows in progress get their results."""
        self._is_closed = True
        self.batcher.close()
        self._pool.shutdown()
        if self._tracing is not None:
            self._tracing.close()

    def _warm_up(self) -> None:
        self.model.warm_up()
        # Streams reach it through the batcher, which has to work as well.
        turn = self.batcher.open()
        samples = np.zeros(round(turn.window_s * turn.sample_rate), np.float32)
        engine = make_engine(turn, StreamSettings(partial=False, vad=False, gate_threshold=0))
        list(engine.feed(AudioChunk(samples, 0, self.clock())))
        with suppress(ConfigError):  # the speech gate does not work at this model's rate
            make_engine(turn)
