"""Agents of the framework that hear a caller."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from livekit.agents import Agent, AgentSession, llm
from livekit.agents.types import DEFAULT_API_CONNECT_OPTIONS
from livekit.agents.voice.io import AudioInput
from livekit.plugins import ser_rt
from scripted import ScriptedSTT, collected, frames_of

import ser_rt as engine
from ser_rt.agents import Analyser
from tests.support.agent_sessions import RATE, TWO_TURNS, analyser, shown, two_parties

EXAMPLE = Path(__file__).parents[1] / "examples/agent.py"


def test_the_example_s_reply_changes_with_the_tone() -> None:
    done = subprocess.run(
        [sys.executable, EXAMPLE], check=True, capture_output=True, text=True, timeout=120
    )
    replies = [line for line in done.stdout.splitlines() if line.startswith("agent:")]
    assert [("sorry" in reply) for reply in replies] == [False, False, True], done.stdout


class Replies(llm.LLM):
    """A model that keeps what it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[list[Any]] = []

    def chat(self, *, chat_ctx: Any, tools: Any = None, **_: Any) -> Any:
        self.told.append(chat_ctx.messages())
        options = DEFAULT_API_CONNECT_OPTIONS
        return Reply(self, chat_ctx=chat_ctx, tools=tools or [], conn_options=options)


class Reply(llm.LLMStream):
    async def _run(self) -> None:
        delta = llm.ChoiceDelta(role="assistant", content="I see.")
        self._event_ch.send_nowait(llm.ChatChunk(id="reply", delta=delta))


class Line(AudioInput):
    """Frames, and then silence on the line."""

    def __init__(self, frames: list[Any], hearing: ser_rt.STT) -> None:
        super().__init__(label="line")
        self._frames, self._hearing = iter(frames), hearing

    async def __anext__(self) -> Any:
        await self._hearing.analysed()
        for frame in self._frames:
            return frame
        raise StopAsyncIteration


class Desk(Agent):
    """Tells its model how the caller sounds."""

    async def on_user_turn_completed(self, turn_ctx: Any, new_message: Any) -> None:
        del new_message
        self.seen = ser_rt.add_speaker_context(self, turn_ctx), self.audio_recognition.stt_context


def test_a_session_tells_its_model_how_the_caller_sounds() -> None:
    model = Replies()

    async def main() -> tuple[Any, Any, list[Any]]:
        script = [(2.5, {"text": "Where is my parcel?"})]
        inner = ScriptedSTT(script, with_speech=True)
        hearing = ser_rt.STT(inner, analyser=analyser(backlog_s=60.0), max_wait_s=30)
        turns: Any = {"turn_detection": "stt", "endpointing": {"min_delay": 0.0}}
        session = AgentSession[Any](stt=hearing, llm=model, vad=None, turn_handling=turns)
        answered = asyncio.Event()

        @session.on("conversation_item_added")
        def added(event: Any) -> None:
            if getattr(event.item, "role", "") == "assistant":
                answered.set()

        session.input.audio = Line(frames_of(TWO_TURNS, RATE), hearing)
        desk = Desk(instructions="You answer the telephone.")
        await session.start(desk)
        await asyncio.wait_for(answered.wait(), 60)
        history = [item.role for item in session.history.items if item.type == "message"]
        await session.aclose()
        return *desk.seen, history

    added, context, history = asyncio.run(main())
    assert added is context
    assert (added.turn, added.final, added.emotion) == (1, True, "Joy")
    last = model.told[-1][-1]
    assert (last.role, last.text_content) == ("system", added.to_instructions())
    assert "system" not in history[1:], "for one reply alone"


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_ten_minutes_of_two_parties_lose_nothing_and_equal_streams() -> None:
    model = engine.load("compact")
    parties = two_parties(600.0)
    inner = ScriptedSTT([(10.0 * n, {"text": f"{n}"}) for n in range(1, 60)])
    hearing = ser_rt.STT(inner, analyser=Analyser(model, clock=lambda: 0.0), max_wait_s=30)
    heard: dict[Any, list[Any]] = {"caller": [], "agent": []}
    hearing.on("emotion", lambda event: heard[event.source].append(event))
    sent = {name: frames_of(samples, RATE) for name, samples in parties.items()}

    async def main() -> list[int]:
        streams = {}
        for name in parties:
            hearing.participant = name
            streams[name] = hearing.stream()
            await asyncio.sleep(0)
        collecting = [asyncio.create_task(collected(stream)) for stream in streams.values()]
        for number, pair in enumerate(zip(*sent.values(), strict=True)):
            for stream, frame in zip(streams.values(), pair, strict=True):
                stream.push_frame(frame)
            if number % 50 == 49:
                await hearing.analysed()
        for stream in streams.values():
            stream.end_input()
        return [len(events) for events in await asyncio.gather(*collecting)]

    assert asyncio.run(main()) == [59, 59]
    everything = {id(frame) for frames in sent.values() for frame in frames}
    assert {id(frame) for frame in inner.frames} == everything
    assert len(inner.frames) == len(everything) == 60_000
    for name, samples in parties.items():
        stream = engine.stream(samples, sample_rate=RATE, model=model, turns=True, name=name)
        assert shown(heard[name]) == shown(stream)
