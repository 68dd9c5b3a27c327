"""Agents of pipecat that hear a caller, and long calls."""

from __future__ import annotations

import asyncio
import importlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import pipecat_ser_rt
import pytest
from pipecat.frames.frames import EndFrame, Frame, UserAudioRawFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.frame_processor import FrameDirection
from pipecat.tests.utils import QueuedFrameProcessor
from pipecat.workers.runner import WorkerRunner
from pipecat_ser_rt import EmotionFrame, EmotionProcessor, EmotionTurnFrame

import ser_rt
from ser_rt.agents import Analyser, framework
from ser_rt.errors import MissingDependencyError
from tests.support.agent_sessions import RATE, shown, two_parties

EXAMPLE = Path(__file__).parents[1] / "examples/agent.py"


def test_the_example_s_reply_changes_with_the_tone() -> None:
    done = subprocess.run(
        [sys.executable, EXAMPLE], check=True, capture_output=True, text=True, timeout=120
    )
    replies = [line for line in done.stdout.splitlines() if line.startswith("agent:")]
    assert [("sorry" in reply) for reply in replies] == [False, False, True], done.stdout


def test_an_unsupported_version_of_the_framework_is_named(monkeypatch: Any) -> None:
    monkeypatch.setattr(framework, "version", lambda _: "0.0.80")
    with pytest.raises(MissingDependencyError, match=r"pipecat-ai 0\.0\.80.*pip install"):
        importlib.reload(pipecat_ser_rt)


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_ten_minutes_of_two_parties_lose_nothing_and_equal_streams() -> None:
    model = ser_rt.load("compact")
    parties = two_parties(600.0)
    size = RATE // 50
    sent: list[list[Frame]] = [
        [
            UserAudioRawFrame(samples[at : at + size].tobytes(), RATE, 1, user_id=name)
            for name, samples in parties.items()
        ]
        for at in range(0, 600 * RATE, size)
    ]
    received: asyncio.Queue[Frame] = asyncio.Queue()

    async def main() -> None:
        made = Analyser(model, clock=lambda: 0.0)
        processor = EmotionProcessor(analyser=made, end_wait_s=30)
        sink = QueuedFrameProcessor(queue=received, queue_direction=FrameDirection.DOWNSTREAM)
        worker = PipelineWorker(Pipeline([processor, sink]), cancel_on_idle_timeout=False)
        runner = WorkerRunner()
        await runner.add_workers(worker)

        async def call() -> None:
            for number, pair in enumerate(sent):
                await worker.queue_frames(pair)
                if number % 50 == 49:
                    await worker.flush_pipeline()
                    await processor.analysed()
            await worker.queue_frame(EndFrame())

        await asyncio.gather(runner.run(), call())

    asyncio.run(main())
    frames = [received.get_nowait() for _ in range(received.qsize())]
    audio = [frame for frame in frames if isinstance(frame, UserAudioRawFrame)]
    assert [id(frame) for frame in audio] == [id(frame) for pair in sent for frame in pair]
    assert len(audio) == 60_000
    results = [frame for frame in frames if isinstance(frame, EmotionFrame | EmotionTurnFrame)]
    for name, samples in parties.items():
        stream = ser_rt.stream(samples, sample_rate=RATE, model=model, turns=True, name=name)
        assert shown([one.event for one in results if one.user_id == name]) == shown(stream)
