"""`EmotionProcessor`: hears the audio of a pipeline, and adds what ser-rt makes of it."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import Any

from loguru import logger
from pipecat.frames.frames import (
    CancelFrame,
    ClientConnectedFrame,
    EndFrame,
    Frame,
    InputAudioRawFrame,
    InterruptionFrame,
    StopFrame,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor, FrameProcessorSetup

from pipecat_ser_rt.frames import EmotionFrame, EmotionTurnFrame
from ser_rt import Event, TurnEvent
from ser_rt.agents import Analyser, ParticipantSession, shared_analyser
from ser_rt.errors import AudioInputError

MOST_WAITING = 256
"""Results that may wait to be pushed; beyond that the oldest is dropped."""

Result = EmotionFrame | EmotionTurnFrame


class EmotionProcessor(FrameProcessor):
    """Pushes an `EmotionFrame` for each result and an `EmotionTurnFrame` for each turn.

    It passes every other frame on as it is, before or while it is analysed, and never waits for
    the model but at the end of the pipeline. Each user of the audio frames has a stream of their
    own; a client that connects begins another where frames do not name their user.
    """

    def __init__(
        self,
        *,
        analyser: Analyser | None = None,
        end_wait_s: float = 1.0,
        most_users: int = 32,
        **kwargs: Any,
    ) -> None:
        """Make a processor for `Pipeline`, behind ``transport.input()``.

        Args:
            analyser: The model, shared with other pipelines; None for the one that all share
                that name none.
            end_wait_s: Longest time in seconds that an `EndFrame` waits for the last results.
            most_users: Beyond so many users the one who was silent longest is forgotten.
            **kwargs: As of `FrameProcessor`.
        """
        super().__init__(**kwargs)
        self._analyser = shared_analyser() if analyser is None else analyser
        self._end_wait_s, self._most_users = end_wait_s, most_users
        self._sessions: OrderedDict[tuple[str, str], ParticipantSession] = OrderedDict()
        self._ending: dict[ParticipantSession, asyncio.Future[None]] = {}
        self._results: asyncio.Queue[Result] = asyncio.Queue()
        self._pushing: asyncio.Task[None] | None = None
        self._is_over = self._has_complained = False

    async def setup(self, setup: FrameProcessorSetup) -> None:
        """Begin to push results."""
        await super().setup(setup)
        self._pushing = self.create_task(self._push_results())

    async def cleanup(self) -> None:
        """End without further results."""
        self._cancel()
        if self._pushing is not None:
            await self.cancel_task(self._pushing)
            self._pushing = None
        await super().cleanup()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Hear audio, begin and end streams, and pass every frame on."""
        if isinstance(frame, InterruptionFrame):
            self._drop_results()
        await super().process_frame(frame, direction)
        if direction is FrameDirection.DOWNSTREAM:
            if isinstance(frame, InputAudioRawFrame):
                self._hear(frame)
            elif isinstance(frame, ClientConnectedFrame):
                self.end_user()
            elif isinstance(frame, EndFrame | StopFrame):
                self._is_over = isinstance(frame, EndFrame)
                await self._finish()
            elif isinstance(frame, CancelFrame):
                self._cancel()
        await self.push_frame(frame, direction)

    def end_user(self, user_id: str = "") -> None:
        """End the turn of a user who has left, whose results follow; a new stream begins after.

        For the event handlers of a transport: ``on_participant_left``, ``on_client_disconnected``.
        """
        for key in [key for key in self._sessions if key[0] == user_id]:
            self._end(self._sessions.pop(key))

    def _end(self, session: ParticipantSession) -> None:
        """End a session, whose last results are waited for like those of the others."""
        self._ending[session] = future = session.end()
        future.add_done_callback(lambda _: self._ending.pop(session, None))

    async def analysed(self) -> None:
        """Return when the audio so far has been analysed and its frames have been pushed.

        For recordings, which come faster than people speak.
        """
        so_far = [session.so_far() for session in self._sessions.values()]
        await asyncio.gather(*so_far, *self._ending.values())
        await self._results.join()

    def _hear(self, frame: InputAudioRawFrame) -> None:
        user_id = getattr(frame, "user_id", "")
        key = (user_id, frame.transport_source or "")
        try:
            session = self._sessions.get(key) or self._begin(key)
            if session is not None:
                self._sessions.move_to_end(key)
                session.push(frame.audio, frame.sample_rate, frame.num_channels)
        except AudioInputError as error:
            if not self._has_complained:
                self._has_complained = True
                logger.warning(f"{self}: an audio frame goes unanalysed: {error} (told once)")

    def _begin(self, key: tuple[str, str]) -> ParticipantSession | None:
        if self._is_over or self._analyser.is_closed:
            return None
        user_id = key[0]
        session = self._analyser.open(
            lambda event: self._take(event, user_id), name=user_id or None
        )
        self._sessions[key] = session
        if len(self._sessions) > self._most_users:
            self._end(self._sessions.popitem(last=False)[1])
        return session

    def _take(self, event: Event, user_id: str) -> None:
        """Queue the frame of an event; warnings are in the log already."""
        if event.type == "warning":
            return
        if self._results.qsize() >= MOST_WAITING:
            self._results.get_nowait()
            self._results.task_done()
        is_turn = isinstance(event, TurnEvent)
        frame = EmotionTurnFrame(event, user_id) if is_turn else EmotionFrame(event, user_id)
        self._results.put_nowait(frame)

    async def _push_results(self) -> None:
        while True:
            frame = await self._results.get()
            try:
                await self.push_frame(frame)
            finally:
                self._results.task_done()

    def _drop_results(self) -> None:
        """Drop the results that wait, but for turns, as the pipeline does with its data frames."""
        kept = []
        while not self._results.empty():
            frame = self._results.get_nowait()
            self._results.task_done()
            if not frame.interruptible:
                kept.append(frame)
        for frame in kept:
            self._results.put_nowait(frame)

    async def _finish(self) -> None:
        """End all streams, and push their last results if they come in time."""
        for session in self._sessions.values():
            self._end(session)
        self._sessions.clear()
        if ending := list(self._ending.values()):
            _, late = await asyncio.wait(ending, timeout=self._end_wait_s)
            if late:
                logger.warning(f"{self}: the last results are not there in {self._end_wait_s} s")
                self._cancel_sessions()
        await self._results.join()

    def _cancel(self) -> None:
        self._is_over = True
        self._cancel_sessions()
        self._sessions.clear()
        while not self._results.empty():
            self._results.get_nowait()
            self._results.task_done()

    def _cancel_sessions(self) -> None:
        for session in (*self._sessions.values(), *self._ending):
            session.cancel()
