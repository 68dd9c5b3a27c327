"""An agent whose reply follows the caller's tone: `python agent.py [RECORDING]`, no key needed.

The caller is a recording, what they say and what the agent answers is scripted; everything between
is a pipeline of pipecat as it is. With real services, `Recording` is a transport's input,
`ScriptedSTT` and `ScriptedLLM` are services, and nothing waits for `analysed`.
"""

import asyncio
import sys

import soundfile
from pipecat.frames.frames import (
    EndFrame,
    Frame,
    InputAudioRawFrame,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    TranscriptionFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import (
    LLMContextAggregatorPair,
    LLMUserAggregatorParams,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.turns.user_turn_strategies import ExternalUserTurnStrategies
from pipecat.utils.time import time_now_iso8601
from pipecat.workers.runner import WorkerRunner
from pipecat_ser_rt import EmotionInstructions, EmotionProcessor

from ser_rt import sample_path
from ser_rt.agents import Analyser

FRAME_S = 0.02
SCRIPT = [
    (15.5, "Hello, I would like to know where my parcel is."),
    (25.2, "It has been on its way for a week."),
    (34.5, "And nobody answers the telephone!"),
]
"""When a sentence has been recognised, in seconds of the recording, and what it is."""


class ScriptedSTT(FrameProcessor):
    """Recognises the sentences of the script."""

    def __init__(self):
        super().__init__()
        self._heard_s, self._left = 0.0, list(SCRIPT)

    async def process_frame(self, frame: Frame, direction: FrameDirection):
        await super().process_frame(frame, direction)
        await self.push_frame(frame, direction)
        if isinstance(frame, InputAudioRawFrame):
            self._heard_s += frame.num_frames / frame.sample_rate
            while self._left and self._heard_s >= self._left[0][0]:
                _, text = self._left.pop(0)
                print(f"caller: {text}")
                await self.push_frame(UserStartedSpeakingFrame())
                await self.push_frame(TranscriptionFrame(text, "caller", time_now_iso8601()))
                await self.push_frame(UserStoppedSpeakingFrame())


class ScriptedLLM(FrameProcessor):
    """Answers as a model would that reads the last message of its context."""

    def __init__(self):
        super().__init__()
        self.answers = asyncio.Queue()

    async def process_frame(self, frame: Frame, direction: FrameDirection):
        await super().process_frame(frame, direction)
        if not isinstance(frame, LLMContextFrame):
            await self.push_frame(frame, direction)
            return
        told = frame.context.messages[-1]
        is_angry = told["role"] == "system" and "sounds angry" in told["content"]
        text = "I am sorry about this. I see to it at once." if is_angry else "Let me have a look."
        print(f"agent:  {text}")
        await self.push_frame(LLMFullResponseStartFrame())
        await self.push_frame(LLMTextFrame(text))
        await self.push_frame(LLMFullResponseEndFrame())
        self.answers.put_nowait(text)


async def main(path):
    analyser = Analyser("compact")
    await asyncio.to_thread(analyser.load)  # once for all callers of this process
    emotions = EmotionProcessor(analyser=analyser, end_wait_s=30)
    strategies = LLMUserAggregatorParams(user_turn_strategies=ExternalUserTurnStrategies())
    user, assistant = LLMContextAggregatorPair(LLMContext(), user_params=strategies)
    llm = ScriptedLLM()
    pipeline = [emotions, ScriptedSTT(), user, EmotionInstructions(), llm, assistant]
    worker = PipelineWorker(Pipeline(pipeline))

    async def call():
        samples, rate = soundfile.read(path, dtype="int16")
        samples = samples if samples.ndim == 1 else samples[:, 0].copy()
        size, waits = round(rate * FRAME_S), [round(s / FRAME_S) for s, _ in SCRIPT]
        for number, start in enumerate(range(0, len(samples) + 2 * rate, size)):
            audio = samples[start : start + size].tobytes().ljust(2 * size, b"\0")
            await worker.queue_frame(InputAudioRawFrame(audio, rate, 1))
            if number % 10 == 0:  # the recording is faster than a caller: wait for the analysis
                await worker.flush_pipeline()
                await emotions.analysed()
            if number in waits:
                await llm.answers.get()
        await worker.queue_frame(EndFrame())

    runner = WorkerRunner()
    await runner.add_workers(worker)
    await asyncio.gather(runner.run(), call())


asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else sample_path()))
