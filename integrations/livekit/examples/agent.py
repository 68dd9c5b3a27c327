"""An agent whose reply follows the caller's tone: `python agent.py [RECORDING]`, no key needed.

The caller is a recording, what they say and what the agent answers is scripted; everything between
is an `AgentSession` as it is. With real services, a room is the input, `ScriptedSTT` and
`ScriptedLLM` are plugins, and nothing waits for the analysis.
"""

import asyncio
import sys

import soundfile
from livekit import rtc
from livekit.agents import Agent, AgentSession, llm, stt
from livekit.agents.types import DEFAULT_API_CONNECT_OPTIONS
from livekit.agents.voice.io import AudioInput
from livekit.plugins import ser_rt as emotion

from ser_rt import sample_path
from ser_rt.agents import Analyser

FRAME_S = 0.02
SCRIPT = [
    (15.5, "Hello, I would like to know where my parcel is."),
    (25.2, "It has been on its way for a week."),
    (34.5, "And nobody answers the telephone!"),
]
"""When a sentence has been recognised, in seconds of the recording, and what it is."""


class Recording(AudioInput):
    """The caller, who speaks fast, and waits for an answer to each sentence."""

    def __init__(self, path, hearing):
        super().__init__(label="recording")
        self._hearing = hearing
        samples, self._rate = soundfile.read(path, dtype="int16", always_2d=True)
        self._samples = samples[:, :1].copy()
        self._at, self._pauses_s, self.answered = 0, [s for s, _ in SCRIPT], asyncio.Event()

    async def __anext__(self):
        size = round(self._rate * FRAME_S)
        if self._pauses_s and self._at / self._rate > self._pauses_s[0] + FRAME_S:
            await self.answered.wait()
            self._pauses_s.pop(0)
            self.answered.clear()
        if self._at >= len(self._samples) + 2 * self._rate:
            raise StopAsyncIteration
        if self._at % (10 * size) == 0:
            await self._hearing.analysed()
        data = self._samples[self._at : self._at + size].tobytes().ljust(2 * size, b"\0")
        self._at += size
        return rtc.AudioFrame(data, self._rate, 1, size)


class ScriptedSTT(stt.STT):
    """Recognises the sentences of the script."""

    def __init__(self):
        super().__init__(capabilities=stt.STTCapabilities(streaming=True, interim_results=False))

    async def _recognize_impl(self, buffer, *, language, conn_options):
        raise NotImplementedError  # it streams alone, as its capabilities say

    def stream(self, *, language=None, conn_options=DEFAULT_API_CONNECT_OPTIONS):
        return ScriptedStream(stt=self, conn_options=conn_options)


class ScriptedStream(stt.RecognizeStream):
    async def _run(self):
        heard_s, left = 0.0, list(SCRIPT)
        async for frame in self._input_ch:
            if isinstance(frame, self._FlushSentinel):
                continue
            heard_s += frame.duration
            while left and heard_s >= left[0][0]:
                _, text = left.pop(0)
                best = stt.SpeechData(language="en", text=text)
                for kind in ("START_OF_SPEECH", "FINAL_TRANSCRIPT", "END_OF_SPEECH"):
                    event = stt.SpeechEvent(stt.SpeechEventType[kind], alternatives=[best])
                    self._event_ch.send_nowait(event)


class ScriptedLLM(llm.LLM):
    """Answers as a model would that reads the last message of its context."""

    def chat(self, *, chat_ctx, tools=None, conn_options=DEFAULT_API_CONNECT_OPTIONS, **_):
        return ScriptedReply(self, chat_ctx=chat_ctx, tools=tools or [], conn_options=conn_options)


class ScriptedReply(llm.LLMStream):
    async def _run(self):
        told = self._chat_ctx.messages()[-1]
        is_angry = told.role == "system" and "sounds angry" in told.text_content
        text = "I am sorry about this. I see to it at once." if is_angry else "Let me have a look."
        delta = llm.ChoiceDelta(role="assistant", content=text)
        self._event_ch.send_nowait(llm.ChatChunk(id="reply", delta=delta))


class Desk(Agent):
    """Answers in a tone that fits the caller's."""

    async def on_user_turn_completed(self, turn_ctx, new_message):
        emotion.add_speaker_context(self, turn_ctx)


async def main(path):
    analyser = Analyser("compact")
    await asyncio.to_thread(analyser.load)  # once for all calls of this process
    hearing = emotion.STT(ScriptedSTT(), analyser=analyser)
    turns = {"turn_detection": "stt", "endpointing": {"min_delay": 0.0}}
    session = AgentSession(stt=hearing, llm=ScriptedLLM(), vad=None, turn_handling=turns)
    caller, answers, is_over = Recording(path, hearing), [], asyncio.Event()

    @session.on("conversation_item_added")
    def show(event):
        if event.item.type != "message":
            return
        is_agent = event.item.role == "assistant"
        print("agent: " if is_agent else "caller:", event.item.text_content)
        if is_agent:
            answers.append(event.item)
            caller.answered.set()
        if len(answers) == len(SCRIPT):
            is_over.set()

    session.input.audio = caller
    await session.start(Desk(instructions="You answer the telephone of a parcel service."))
    await is_over.wait()
    await session.aclose()


asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else sample_path()))
