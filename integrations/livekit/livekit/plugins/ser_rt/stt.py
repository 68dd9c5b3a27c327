"""`STT`: any other STT, whose streams also know how the speaker sounds."""

from __future__ import annotations

import asyncio
import weakref
from typing import Any, Literal

from livekit.agents import APIConnectOptions, stt, utils
from livekit.agents.types import DEFAULT_API_CONNECT_OPTIONS, NOT_GIVEN, NotGivenOr
from livekit.plugins.ser_rt.context import SpeakerEmotion
from livekit.plugins.ser_rt.stream import EmotionStream
from livekit.plugins.ser_rt.transcripts import Transcript

from ser_rt import Event, TurnEvent
from ser_rt.agents import Analyser, shared_analyser
from ser_rt.checks import at_least, require
from ser_rt.errors import ConfigError


class STT(stt.STT[Literal["emotion", "emotion_turn"]]):
    """Wraps an STT: the same audio in, the same transcripts out, with emotion in their metadata.

    Each stream has a ``context`` with ``to_instructions()``, as the framework's `SpeakerContext`.
    ``emotion`` is emitted with each event of ser-rt, ``emotion_turn`` with an `EmotionTurn` when a
    turn has ended.
    """

    def __init__(
        self,
        wrapped: stt.STT[Any],
        *,
        analyser: Analyser | None = None,
        max_wait_s: float = 0.2,
        text_format: str = "{text}",
    ) -> None:
        """Wrap an STT.

        Args:
            wrapped: Transcribes.
            analyser: The model, shared with other sessions; None for the one that all share that
                name none.
            max_wait_s: Longest time in seconds that a final transcript waits for its emotion.
            text_format: What a final transcript becomes, with ``{text}``, ``{emotion}`` and
                ``{confidence}``, as in ``[{emotion}] {text}``; as it is where no emotion is known.

        Raises:
            ConfigError: The time or the format is none.
        """
        super().__init__(capabilities=wrapped.capabilities)
        require("max_wait_s", max_wait_s, at_least(0))
        self.wrapped_stt, self.max_wait_s, self._format = wrapped, max_wait_s, text_format
        try:
            text_format.format(text="", emotion="", confidence=0.0)
        except (KeyError, IndexError, ValueError) as error:
            msg = f"text_format {text_format!r} may hold {{text}}, {{emotion}} and {{confidence}}"
            raise ConfigError(msg) from error
        self.analyser = shared_analyser() if analyser is None else analyser
        self.participant: str | None = None
        """Identity of who speaks, as `new_participant` was told."""
        self._streams: weakref.WeakSet[EmotionStream] = weakref.WeakSet()
        self.context: SpeakerEmotion | None = None
        """How the speaker sounded last, in any stream."""
        # The wrapped one measures, and its metrics are handed on.
        self._recognize_metrics_needed = False
        wrapped.on("metrics_collected", self._on_metrics_collected)

    @property
    def model(self) -> str:
        """Name of the wrapped model."""
        return self.wrapped_stt.model

    @property
    def provider(self) -> str:
        """Provider of the wrapped model."""
        return self.wrapped_stt.provider

    def new_participant(self, identity: str | None = None) -> None:
        """Begin afresh: another person speaks from here on."""
        self.participant, self.context = identity, None
        for stream in self._streams:
            stream.new_participant(identity)

    def stream(
        self,
        *,
        language: NotGivenOr[str] = NOT_GIVEN,
        conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS,
    ) -> EmotionStream:
        """Return a stream of the wrapped STT."""
        stream = EmotionStream(self, self.wrapped_stt, language=language, conn_options=conn_options)
        self._streams.add(stream)
        return stream

    def prewarm(self) -> None:
        """Begin to load the model, and prepare the wrapped STT."""
        self.analyser.prepare()
        self.wrapped_stt.prewarm()

    async def analysed(self) -> None:
        """Return when the audio that streams have so far has been analysed.

        For recordings, which come faster than people speak.
        """
        await asyncio.gather(*(stream.analysed() for stream in self._streams))

    async def aclose(self) -> None:
        """Let go of the wrapped STT, which is not closed."""
        self.wrapped_stt.off("metrics_collected", self._on_metrics_collected)

    def formatted(self, text: str, emotion: SpeakerEmotion) -> str:
        """Return a transcript in the format that was asked for."""
        return self._format.format(
            text=text, emotion=emotion.emotion, confidence=emotion.confidence
        )

    async def _recognize_impl(
        self,
        buffer: utils.AudioBuffer,
        *,
        language: NotGivenOr[str] = NOT_GIVEN,
        conn_options: APIConnectOptions,
    ) -> stt.SpeechEvent:
        """Transcribe what somebody said, which is analysed meanwhile as a stream of its own."""
        turns: list[SpeakerEmotion] = []

        def take(event: Event) -> None:
            self.emit("emotion", event)
            if isinstance(event, TurnEvent) and event.final:
                turns.append(SpeakerEmotion.of(event, 0.0))

        session = self.analyser.open(take, name=self.participant, backlog_s=float("inf"))
        for frame in buffer if isinstance(buffer, list) else [buffer]:
            size = frame.samples_per_channel * frame.num_channels
            session.push(frame.data[:size], frame.sample_rate, frame.num_channels)
        ending = session.end()
        try:
            event = await self.wrapped_stt.recognize(
                buffer, language=language, conn_options=conn_options
            )
            await asyncio.wait([ending], timeout=self.max_wait_s)
        finally:
            session.cancel()
        if turns and event.alternatives:
            longest = max(turns, key=lambda turn: turn.end - turn.start)
            Transcript(event.alternatives, 0.0).write(longest)
            self.context = longest
            for data in event.alternatives:
                data.text = self.formatted(data.text, longest)
        return event

    def _update_session_keyterms(self, keyterms: list[str]) -> None:
        self.wrapped_stt._update_session_keyterms(keyterms)  # noqa: SLF001 (the framework's hook)

    def _push_conversation_item(self, ev: Any) -> None:
        self.wrapped_stt._push_conversation_item(ev)  # noqa: SLF001 (the framework's hook)

    def _on_metrics_collected(self, *args: Any) -> None:
        self.emit("metrics_collected", *args)
