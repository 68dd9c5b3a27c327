"""`EmotionStream`: the stream of a wrapped STT, with the emotion of what it transcribes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from livekit import rtc
from livekit.agents import APIConnectOptions, stt, utils
from livekit.agents.types import NotGivenOr
from livekit.plugins.ser_rt.context import SpeakerEmotion
from livekit.plugins.ser_rt.log import logger
from livekit.plugins.ser_rt.transcripts import Transcript, TranscriptJoin

from ser_rt import Event, TurnEvent
from ser_rt.agents import ParticipantSession
from ser_rt.errors import AudioInputError

if TYPE_CHECKING:
    from livekit.plugins.ser_rt.stt import STT


@dataclass(frozen=True)
class EmotionTurn:
    """A turn that has ended.

    Attributes:
        emotion: Its answer.
        speech: The transcripts that had come before it, completed by it.
    """

    emotion: SpeakerEmotion
    speech: list[stt.SpeechData]


class EmotionStream(stt.RecognizeStream):
    """Hands audio on at once, and events as they come, but for a bounded wait at final ones."""

    def __init__(
        self,
        owner: STT,
        wrapped: stt.STT,
        *,
        language: NotGivenOr[str],
        conn_options: APIConnectOptions,
    ) -> None:
        # The wrapped stream tries again by itself.
        once = APIConnectOptions(max_retry=0, timeout=conn_options.timeout)
        super().__init__(stt=owner, conn_options=once)
        self._owner, self._wrapped = owner, wrapped
        self._language, self._wrapped_options = language, conn_options
        self._join = TranscriptJoin()
        self._session: ParticipantSession | None = None
        self._before_s = 0.0
        self._has_complained = False

    def push_frame(self, frame: rtc.AudioFrame) -> None:
        """Take audio, all of it at one rate.

        Raises:
            AudioInputError: The rate has changed.
        """
        if self._pushed_sr and self._pushed_sr != frame.sample_rate:
            msg = (
                f"a frame of {frame.sample_rate} Hz after frames of {self._pushed_sr} Hz: open "
                "another stream, or resample with rtc.AudioResampler"
            )
            raise AudioInputError(msg)
        super().push_frame(frame)

    def new_participant(self, identity: str | None = None) -> None:
        """End the turn of who spoke so far, whose result follows, and begin afresh."""
        if self._session is not None:
            self._before_s += self._session.position_s
            self._session.end()
            self._session = self._begin(identity)
        self.context = None

    async def analysed(self) -> None:
        """Return when the audio so far has been analysed, and its events have been emitted."""
        while self._input_ch.qsize() and not self._task.done():  # noqa: ASYNC110 (no event tells)
            await asyncio.sleep(0)
        if self._session is not None:
            await self._session.so_far()

    async def _metrics_monitor_task(self, event_aiter: AsyncIterable[stt.SpeechEvent]) -> None:
        # The wrapped stream measures, and its metrics are handed on.
        async for _ in event_aiter:
            pass

    async def _run(self) -> None:
        self._session = self._begin(self._owner.participant)
        wrapped = self._wrapped.stream(language=self._language, conn_options=self._wrapped_options)
        wrapped.start_time_offset = self.start_time_offset
        tasks = [
            asyncio.create_task(self._forward_audio(wrapped), name="ser_rt.forward_audio"),
            asyncio.create_task(self._forward_events(wrapped), name="ser_rt.forward_events"),
        ]
        try:
            await asyncio.gather(*tasks)
            await asyncio.wait([self._session.end()], timeout=self._owner.max_wait_s)
        finally:
            self._session.cancel()
            await utils.aio.cancel_and_wait(*tasks)
            await wrapped.aclose()

    def _begin(self, identity: str | None) -> ParticipantSession:
        from_s = self._before_s + self.start_time_offset

        def take(event: Event) -> None:
            self._take(event, session, from_s)

        session = self._owner.analyser.open(take, name=identity)
        return session

    async def _forward_audio(self, wrapped: stt.RecognizeStream) -> None:
        async for frame in self._input_ch:
            if isinstance(frame, self._FlushSentinel):
                wrapped.flush()
                continue
            wrapped.push_frame(frame)
            self._analyse(frame)
        wrapped.end_input()

    def _analyse(self, frame: rtc.AudioFrame) -> None:
        size = frame.samples_per_channel * frame.num_channels
        try:
            if self._session is not None:
                self._session.push(frame.data[:size], frame.sample_rate, frame.num_channels)
        except AudioInputError as error:
            if not self._has_complained:
                self._has_complained = True
                logger.warning("an audio frame goes unanalysed: %s (told once)", error)

    async def _forward_events(self, wrapped: stt.RecognizeStream) -> None:
        async for event in wrapped:
            if event.type is stt.SpeechEventType.FINAL_TRANSCRIPT and event.alternatives:
                await self._annotate(event.alternatives)
            self._event_ch.send_nowait(event)

    async def _annotate(self, speech: list[stt.SpeechData]) -> None:
        """Put the emotion of a final transcript into its metadata, if it is known in time."""
        if self._session is None:
            return
        from_s = self._before_s + self.start_time_offset
        transcript = Transcript(speech, from_s + self._session.position_s)
        waiting = self._session.so_far()
        done, _ = await asyncio.wait([waiting], timeout=self._owner.max_wait_s)
        turn = waiting.result() if done else None
        waiting.cancel()
        so_far = None if turn is None else SpeakerEmotion.of(turn, from_s)
        found = self._join.heard(transcript, so_far)
        self.context = self._owner.context = None  # what was known is of the turn before
        if found is not None:
            self._note(found)
            for data in speech:
                data.text = self._owner.formatted(data.text, found)

    def _take(self, event: Event, session: ParticipantSession, from_s: float) -> None:
        self._owner.emit("emotion", event)
        if not isinstance(event, TurnEvent) or not event.final:
            return
        emotion = SpeakerEmotion.of(event, from_s)
        if session is self._session:
            self._note(emotion)
        speech = [transcript.speech[0] for transcript in self._join.ended(emotion)]
        self._owner.emit("emotion_turn", EmotionTurn(emotion, speech))

    def _note(self, emotion: SpeakerEmotion) -> None:
        self.context = self._owner.context = emotion
