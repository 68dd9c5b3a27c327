"""Pipelines with an `EmotionProcessor`, by pipecat's own test kit: what goes in comes out."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import pytest
from loguru import logger
from pipecat.frames.frames import (
    ClientConnectedFrame,
    EndFrame,
    Frame,
    InputAudioRawFrame,
    InterruptionFrame,
    LLMContextFrame,
    OutputTransportMessageUrgentFrame,
    StopFrame,
    SystemFrame,
    UserAudioRawFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.frame_processor import FrameDirection
from pipecat.tests.utils import QueuedFrameProcessor, run_test
from pipecat.workers.runner import WorkerRunner
from pipecat_ser_rt import (
    EmotionFrame,
    EmotionInstructions,
    EmotionObserver,
    EmotionProcessor,
    EmotionTurnFrame,
)

import ser_rt
from tests.support.agent_sessions import (
    RATE,
    SPOKEN,
    TWO_TURNS,
    Broken,
    Stuck,
    analyser,
    conversation,
    shown,
)

RESULTS = (EmotionFrame, EmotionTurnFrame)


@pytest.fixture
def warnings() -> Iterator[list[str]]:
    """Texts of the warnings of pipecat's log."""
    texts: list[str] = []
    sink = logger.add(texts.append, level="WARNING", format="{message}")
    yield texts
    logger.remove(sink)


def audio(samples: Any, rate: int = RATE, user_id: str = "") -> list[Frame]:
    """Frames of 20 ms."""
    channels = 1 if samples.ndim == 1 else samples.shape[1]
    pieces = [samples[at : at + rate // 50].tobytes() for at in range(0, len(samples), rate // 50)]
    if user_id:
        return [UserAudioRawFrame(one, rate, channels, user_id=user_id) for one in pieces]
    return [InputAudioRawFrame(one, rate, channels) for one in pieces]


def through(
    frames: list[Frame], model: Any = SPOKEN, *, end_wait_s: float = 30.0, **settings: Any
) -> tuple[list[Frame], list[Frame]]:
    """Return what comes out of a pipeline: the frames that were sent, and the results."""
    made = analyser(model, **{"backlog_s": 60.0} | settings)
    processor = EmotionProcessor(analyser=made, end_wait_s=end_wait_s)
    down, _ = asyncio.run(run_test(processor, frames_to_send=frames))
    passed = [frame for frame in down if not isinstance(frame, RESULTS)]
    assert [id(frame) for frame in passed] == [id(frame) for frame in frames]
    return passed, [frame for frame in down if isinstance(frame, RESULTS)]


def turns(results: list[Frame]) -> list[tuple[str, int, float, float]]:
    """Return user, number, start and end of each turn."""
    found = [frame for frame in results if isinstance(frame, EmotionTurnFrame)]
    return [
        (frame.user_id, frame.event.id, round(frame.event.start, 1), round(frame.event.end, 1))
        for frame in found
    ]


@pytest.mark.parametrize("rate", [RATE, 48_000])
def test_frames_pass_untouched_and_results_are_those_of_a_stream(rate: int) -> None:
    samples = conversation(1.5, 1.2, 2.0, 1.2, rate=rate)
    sent = audio(samples, rate)
    before = [frame.audio for frame in sent]
    passed, results = through(sent)
    assert [frame.audio for frame in passed] == before
    stream = ser_rt.stream(samples, sample_rate=rate, model=SPOKEN, vad=False, turns=True)
    assert shown([frame.event for frame in results]) == shown(stream)


def test_each_user_has_a_stream_and_one_who_leaves_has_the_turn_ended() -> None:
    first, second = audio(TWO_TURNS[:RATE], user_id="first"), audio(TWO_TURNS, user_id="second")
    both = [frame for pair in zip(first, second, strict=False) for frame in pair]

    async def main() -> list[Frame]:
        processor = EmotionProcessor(analyser=analyser(backlog_s=60.0), end_wait_s=30)
        leaving = [LeftFrame("first")]

        @processor.event_handler("on_before_process_frame")
        async def left(processor: EmotionProcessor, frame: Frame) -> None:
            if isinstance(frame, LeftFrame):
                processor.end_user(frame.user_id)

        frames = [*both, *second[len(first) :], *leaving, *audio(TWO_TURNS, user_id="first")]
        down, _ = await run_test(processor, frames_to_send=frames)
        return list(down)

    results = [frame for frame in asyncio.run(main()) if isinstance(frame, RESULTS)]
    assert sorted(turns(results)) == [
        ("first", 1, 0.0, 1.0),
        ("first", 1, 0.0, 1.5),
        ("first", 2, 2.7, 4.7),
        ("second", 1, 0.0, 1.5),
        ("second", 2, 2.7, 4.7),
    ]


@dataclass
class LeftFrame(SystemFrame):
    """Stands for a transport's event that a participant has left."""

    user_id: str


def test_a_client_that_connects_begins_a_stream() -> None:
    sent = [*audio(TWO_TURNS[:RATE]), ClientConnectedFrame(), *audio(TWO_TURNS)]
    _, results = through(sent)
    assert turns(results) == [("", 1, 0.0, 1.0), ("", 1, 0.0, 1.5), ("", 2, 2.7, 4.7)]


def test_only_so_many_users_are_kept() -> None:
    async def main() -> list[Frame]:
        made = analyser(backlog_s=60.0)
        processor = EmotionProcessor(analyser=made, end_wait_s=30, most_users=2)
        frames = [audio(TWO_TURNS[:RATE], user_id=name) for name in "abcd"]
        down, _ = await run_test(processor, frames_to_send=[*chain(*frames)])
        return list(down)

    results = [frame for frame in asyncio.run(main()) if isinstance(frame, RESULTS)]
    assert sorted(turns(results)) == [(name, 1, 0.0, 1.0) for name in "abcd"]


def test_rates_and_channels_may_change_and_bad_frames_pass(warnings: list[str]) -> None:
    stereo = np.repeat(conversation(1.5, 0.9, rate=8_000)[:, None], 2, axis=1)
    empty, odd = InputAudioRawFrame(b"", RATE, 1), InputAudioRawFrame(b"123", RATE, 1)
    no_rate = InputAudioRawFrame(b"1234", 0, 1)
    sent = [
        *audio(conversation(1.0)),
        *(empty, odd, no_rate, odd),
        *audio(conversation(0.8, 0.9, rate=48_000), 48_000),
        *audio(stereo, 8_000),
    ]
    _, results = through(sent)
    assert turns(results) == [("", 1, 0.0, 1.8), ("", 2, 2.7, 4.2)]
    assert len(warnings) == 1
    assert "3 bytes" in warnings[0]


def test_a_model_that_fails_costs_no_frame_and_one_warning(caplog: Any) -> None:
    _, results = through(audio(TWO_TURNS), Broken(*range(1000)))
    assert turns(results) == []
    assert caplog.text.count("the card fell out") == 1


def test_the_end_waits_so_long_and_no_longer(warnings: list[str]) -> None:
    model = Stuck()
    try:
        _, results = through(audio(TWO_TURNS), model, end_wait_s=0.05, backlog_s=60.0)
    finally:
        model.free.set()
    assert turns(results) == []
    assert [text.partition(": ")[2].strip() for text in warnings] == [
        "the last results are not there in 0.05 s"
    ]


def test_a_cancelled_pipeline_ends_at_once() -> None:
    model = Stuck()

    async def main() -> list[Frame]:
        processor = EmotionProcessor(analyser=analyser(model, backlog_s=60.0), end_wait_s=60)
        received: asyncio.Queue[Frame] = asyncio.Queue()
        sink = QueuedFrameProcessor(queue=received, queue_direction=FrameDirection.DOWNSTREAM)
        worker = PipelineWorker(Pipeline([processor, sink]), enable_rtvi=False)
        runner = WorkerRunner()
        await runner.add_workers(worker)

        async def call() -> None:
            await worker.queue_frames(audio(TWO_TURNS))
            await worker.flush_pipeline()
            await worker.cancel()

        await asyncio.wait_for(asyncio.gather(runner.run(), call()), 20)
        model.free.set()
        await asyncio.to_thread(processor._analyser.close)
        await asyncio.sleep(0)
        return [received.get_nowait() for _ in range(received.qsize())]

    assert not [frame for frame in asyncio.run(main()) if isinstance(frame, RESULTS)]


def test_an_interruption_drops_results_that_wait_but_no_turn() -> None:
    events = list(ser_rt.stream(TWO_TURNS, sample_rate=RATE, model=SPOKEN, vad=False, turns=True))

    async def main(frame: SystemFrame) -> list[Frame]:
        processor = EmotionProcessor(analyser=analyser())

        @processor.event_handler("on_before_process_frame")
        async def results_wait(processor: EmotionProcessor, frame: Frame) -> None:
            if isinstance(frame, InterruptionFrame | LeftFrame):
                for event in events:
                    processor._take(event, "caller")

        down, _ = await run_test(processor, frames_to_send=[frame])
        return [frame for frame in down if isinstance(frame, RESULTS)]

    assert len(asyncio.run(main(LeftFrame("other")))) == len(events) > 5
    kept = asyncio.run(main(InterruptionFrame()))
    assert [type(frame) for frame in kept] == 2 * [EmotionTurnFrame]


def test_a_pipeline_that_was_stopped_can_go_on() -> None:
    sent = [*audio(TWO_TURNS[:RATE]), StopFrame()]

    async def main() -> list[Frame]:
        processor = EmotionProcessor(analyser=analyser(backlog_s=60.0), end_wait_s=30)
        down, _ = await run_test(processor, frames_to_send=sent, send_end_frame=False)
        return list(down)

    assert [turn[3] for turn in turns(asyncio.run(main()))] == [1.0]


def test_the_browser_has_messages_of_results_and_turns() -> None:
    async def main() -> list[dict[str, Any]]:
        processor = EmotionProcessor(analyser=analyser(backlog_s=60.0), end_wait_s=30)
        received: asyncio.Queue[Frame] = asyncio.Queue()
        sink = QueuedFrameProcessor(queue=received, queue_direction=FrameDirection.DOWNSTREAM)
        worker = PipelineWorker(Pipeline([processor, sink]))
        worker.add_observer(EmotionObserver(worker.rtvi, top_k=1))
        runner = WorkerRunner()
        await runner.add_workers(worker)
        await worker.queue_frames([*audio(TWO_TURNS, user_id="caller"), EndFrame()])
        await runner.run()
        frames = [received.get_nowait() for _ in range(received.qsize())]
        messages = [f.message for f in frames if isinstance(f, OutputTransportMessageUrgentFrame)]
        return [one for one in messages if one["type"] == "server-message"]

    messages = asyncio.run(main())
    assert {one["label"] for one in messages} == {"rtvi-ai"}
    ended = [one["data"] for one in messages if one["data"]["type"] == "emotion-turn"]
    assert [turn["event"]["id"] for turn in ended] == [1, 2]
    assert {turn["user_id"] for turn in ended} == {"caller"}
    shown_one = next(one["data"] for one in messages if one["data"]["type"] == "emotion")
    assert shown_one["event"]["probabilities"].keys() == {"Joy"}


def test_the_model_is_told_of_the_latest_turn_alone() -> None:
    heard = list(ser_rt.stream(TWO_TURNS, sample_rate=RATE, model=SPOKEN, vad=False, turns=True))
    turn = next(event for event in heard if isinstance(event, ser_rt.TurnEvent))
    context = LLMContext([{"role": "user", "content": "Where is it?"}])
    seen: list[list[Any]] = []

    async def main() -> None:
        processor = EmotionInstructions(role="developer")

        @processor.event_handler("on_before_push_frame")
        async def look(_: EmotionInstructions, frame: Frame) -> None:
            if isinstance(frame, LLMContextFrame):
                seen.append(list(frame.context.messages))

        told = [EmotionTurnFrame(turn), LLMContextFrame(context)]
        await run_test(processor, frames_to_send=[*told, *told, LLMContextFrame(context)])

    asyncio.run(main())
    assert [len(messages) for messages in seen] == [2, 2, 1]
    assert seen[0][-1]["role"] == "developer"
    assert "sounds joy" in seen[0][-1]["content"]
