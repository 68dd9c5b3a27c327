"""Stand-ins on the framework's own base classes: an STT that is told what it recognises."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy.typing as npt
from livekit import rtc
from livekit.agents import APIConnectionError, stt
from livekit.agents.types import DEFAULT_API_CONNECT_OPTIONS

Script = list[tuple[float, dict[str, Any]]]
"""Seconds of audio after which a final transcript comes, and the fields of its `SpeechData`."""


class ScriptedSTT(stt.STT[Any]):
    """Recognises what the script has, and keeps the frames.

    Attributes:
        frames: What it was given.
        streams: How many were opened.
        with_speech: Whether it also tells where speech begins and ends.
        fails_after: Seconds of audio after which the connection is lost.
    """

    def __init__(
        self, script: Script | None = None, *, streaming: bool = True, with_speech: bool = False
    ) -> None:
        super().__init__(
            capabilities=stt.STTCapabilities(streaming=streaming, interim_results=False)
        )
        self.script, self.with_speech = list(script or []), with_speech
        self.frames: list[rtc.AudioFrame] = []
        self.flushes, self.streams, self.fails_after = 0, 0, float("inf")

    async def _recognize_impl(self, buffer: Any, **_: Any) -> stt.SpeechEvent:
        self.frames.append(buffer)
        return final(self.script[0][1])

    def stream(self, *, conn_options: Any = DEFAULT_API_CONNECT_OPTIONS, **_: Any) -> Any:
        self.streams += 1
        return ScriptedStream(stt=self, conn_options=conn_options)


class ScriptedStream(stt.RecognizeStream):
    async def _run(self) -> None:
        owner, heard_s, left = self._stt, 0.0, list(self._stt.script)
        async for frame in self._input_ch:
            if isinstance(frame, self._FlushSentinel):
                owner.flushes += 1
                continue
            owner.frames.append(frame)
            heard_s += frame.duration
            if heard_s > owner.fails_after:
                msg = "the line is dead"
                raise APIConnectionError(msg)
            while left and heard_s >= left[0][0]:
                events = [final(left.pop(0)[1])]
                if owner.with_speech:
                    kinds = stt.SpeechEventType
                    events.insert(0, stt.SpeechEvent(kinds.START_OF_SPEECH))
                    events.append(stt.SpeechEvent(kinds.END_OF_SPEECH))
                for event in events:
                    self._event_ch.send_nowait(event)
        for _, fields in left:
            self._event_ch.send_nowait(final(fields))


def final(fields: dict[str, Any]) -> stt.SpeechEvent:
    best = stt.SpeechData(**{"language": "en"} | fields)
    return stt.SpeechEvent(stt.SpeechEventType.FINAL_TRANSCRIPT, alternatives=[best])


def frames_of(samples: npt.NDArray[Any], rate: int) -> list[rtc.AudioFrame]:
    """Return frames of 20 ms."""
    channels = 1 if samples.ndim == 1 else samples.shape[1]
    pieces = [samples[at : at + rate // 50] for at in range(0, len(samples), rate // 50)]
    return [rtc.AudioFrame(one.tobytes(), rate, channels, len(one)) for one in pieces]


async def collected(stream: stt.RecognizeStream) -> list[stt.SpeechEvent]:
    return [event async for event in stream]


async def spoken(stream: Any, frames: list[rtc.AudioFrame], *, end: bool = True) -> None:
    """Push frames, waiting for the analysis once a second."""
    for number, frame in enumerate(frames):
        if stream._task.done():
            return
        stream.push_frame(frame)
        if number % 50 == 49:
            await asyncio.sleep(0)
            await stream.analysed()
    if end:
        stream.end_input()
