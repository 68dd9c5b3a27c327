"""`ParticipantSession`: what one participant says, from an event loop to its events."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from ser_rt.agents.analysis import StreamAnalysis
from ser_rt.agents.backlog import Backlog, PushedAudio
from ser_rt.audio.samples import MAX_CHANNELS, checked_rate
from ser_rt.errors import AudioInputError
from ser_rt.runtime.event import Event, TurnEvent

T = TypeVar("T")

SLICE_S = 0.5
"""Audio of one session that is analysed before another's has its turn."""


class AnalysisThread(Protocol):
    """Interface of an `Analyser` to its sessions."""

    clock: Callable[[], float]
    is_closed: bool

    def schedule(self, session: ParticipantSession) -> None:
        """Let the thread call a session's `work`."""
        ...


class ParticipantSession:
    """Audio is pushed, and a function is called with the events, both in the event loop.

    Nothing here waits for the model or raises for what it does: where it is slow the oldest audio
    goes unanalysed, where it fails a fresh stream begins, and either is told in one warning event
    and one line of the log. A new participant is a new session.
    """

    def __init__(
        self,
        thread: AnalysisThread,
        analysis: StreamAnalysis,
        on_event: Callable[[Event], None],
        *,
        longest_s: float,
    ) -> None:
        """Begin a session; `Analyser.open` does."""
        self._loop = asyncio.get_running_loop()
        self._thread, self._analysis, self._on_event = thread, analysis, on_event
        self._backlog = Backlog(longest_s)
        self._is_open, self._is_cancelled, self._is_due = True, False, False
        self._has_dropped = False
        self._pending: set[asyncio.Future[Any]] = set()
        self.position_s = 0.0
        """Seconds of audio that were pushed."""

    @property
    def is_open(self) -> bool:
        """Whether it takes audio."""
        return self._is_open

    def push(
        self, data: bytes | bytearray | memoryview, sample_rate: int, channels: int = 1
    ) -> None:
        """Take int16 samples, those of the channels side by side; it takes some microseconds.

        The rate and the channels may change from call to call; channels are averaged.

        Raises:
            AudioInputError: The rate or the number of channels is none, or the bytes are no whole
                samples. The session goes on.
        """
        if not self._is_open:
            return
        audio = self._checked(bytes(data), sample_rate, channels)
        if not audio.data:
            return
        self.position_s += audio.seconds
        if self._analysis.is_over:
            return
        if self._backlog.put(audio) and not self._has_dropped:
            self._has_dropped = True
            self._do(self._tell_of_loss)
        self._schedule()

    def so_far(self) -> asyncio.Future[TurnEvent | None]:
        """Return the future answer so far of the turn in which the audio pushed so far ends.

        Events of that audio are delivered before it is there. It is None where nobody speaks.
        """
        return self._when_analysed(self._analysis.turn)

    def end(self) -> asyncio.Future[None]:
        """Take no more audio; return a future that is there when all events have been delivered."""
        if not self._is_open:
            return self._when_analysed(lambda: None)
        self._is_open = False
        return self._when_analysed(self._flush)

    def cancel(self) -> None:
        """End at once: what waits is dropped, no event follows, and futures are None."""
        self._drop()
        for future in self._pending:
            if not future.done():
                future.set_result(None)

    def work(self) -> None:
        """Analyse some of what waits; the analyser's thread calls it."""
        self._is_due = False
        for step in self._backlog.take(SLICE_S):
            if self._is_cancelled:
                return
            if isinstance(step, PushedAudio):
                self._deliver(self._analysis.feed(step))
            else:
                step()
        if len(self._backlog):
            self._schedule()

    def _flush(self) -> None:
        self._deliver(self._analysis.flush())

    def _tell_of_loss(self) -> None:
        message = "the analysis is too slow: audio goes unanalysed"
        self._deliver(self._analysis.warn("overflow", message))

    def _when_analysed(self, work: Callable[[], T]) -> asyncio.Future[T | None]:
        """Return the future result of some work in the thread, after all audio so far."""
        future: asyncio.Future[T | None] = self._loop.create_future()
        if self._is_cancelled or self._thread.is_closed:
            future.set_result(None)
            return future

        def resolve(result: T | None) -> None:
            if not future.done():
                future.set_result(result)

        self._pending.add(future)
        future.add_done_callback(self._pending.discard)
        self._do(lambda: self._in_loop(resolve, work()))
        return future

    def _drop(self) -> None:
        self._is_open, self._is_cancelled = False, True
        self._backlog.clear()

    def _do(self, step: Callable[[], None]) -> None:
        self._backlog.put(step)
        self._schedule()

    def _schedule(self) -> None:
        # A second entry does no harm: it finds nothing to do.
        if not self._is_due:
            self._is_due = True
            self._thread.schedule(self)

    def _deliver(self, events: list[Event]) -> None:
        if events:
            self._in_loop(self._receive, events)

    def _receive(self, events: list[Event]) -> None:
        for event in events:
            if self._is_cancelled:
                return
            try:
                self._on_event(event)
            except Exception as error:  # noqa: BLE001 (of the program; the next events are due)
                told = {"message": "on_event of ser-rt failed", "exception": error}
                self._loop.call_exception_handler(told)

    def _in_loop(self, function: Callable[[T], None], given: T) -> None:
        try:
            self._loop.call_soon_threadsafe(function, given)
        except RuntimeError:  # the loop is closed: nobody is there to take it
            self._drop()

    def _checked(self, data: bytes, sample_rate: int, channels: int) -> PushedAudio:
        rate = checked_rate(sample_rate)
        if not 1 <= channels <= MAX_CHANNELS:
            msg = f"audio has 1 to {MAX_CHANNELS} channels, not {channels}"
            raise AudioInputError(msg)
        if len(data) % (2 * channels):
            msg = f"{len(data)} bytes are no whole int16 samples of {channels} channels"
            raise AudioInputError(msg)
        now = self._thread.clock()
        return PushedAudio(data, rate, channels, self.position_s, now)
