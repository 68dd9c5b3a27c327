"""Sessions of agents give the events of a stream."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import numpy as np
import pytest

import ser_rt
from ser_rt.agents import Analyser, shared_analyser
from ser_rt.errors import AudioInputError, ConfigError
from ser_rt.runtime.vad.base import FrameVad, LevelDetector
from tests.support.agent_sessions import (
    FRAME,
    RATE,
    SPOKEN,
    TWO_TURNS,
    Heard,
    conversation,
    push,
    run,
    shown,
)


@pytest.mark.parametrize("rate", [RATE, 48_000, 44_100])
def test_the_events_are_those_of_a_stream(rate: int) -> None:
    samples = conversation(1.5, 1.2, 2.0, 1.2, 0.6, rate=rate)

    async def work(made: Analyser, heard: Heard) -> None:
        session = made.open(heard, name="caller", backlog_s=60)
        for start in range(0, len(samples), rate):
            push(session, samples[start : start + rate], rate)
            await session.so_far()
        await session.end()

    _, heard = run(work)
    stream = ser_rt.stream(
        samples, sample_rate=rate, model=SPOKEN, vad=False, turns=True, name="caller"
    )
    assert shown(heard.events) == shown(stream)
    assert len(heard.of("turn")) == 3


def test_the_answer_so_far_is_of_the_audio_so_far() -> None:
    async def work(made: Analyser, heard: Heard) -> list[Any]:
        session = made.open(heard, backlog_s=60)
        push(session, TWO_TURNS[:RATE])
        speaking = session.so_far()
        push(session, TWO_TURNS[RATE : 2 * RATE + RATE // 2])
        silent = session.so_far()
        push(session, TWO_TURNS[2 * RATE + RATE // 2 : 4 * RATE])
        again = session.so_far()
        return list(await asyncio.gather(speaking, silent, again))

    (first, none, second), heard = run(work)
    assert (first.id, first.final, first.emotion) == (1, False, "Joy")
    assert first.end == pytest.approx(1.0, abs=0.05)
    assert none is None
    assert (second.id, second.final) == (2, False)
    assert [turn.id for turn in heard.of("turn")] == [1], "delivered before the answer behind it"


def test_many_sessions_share_a_model_and_a_thread() -> None:
    async def work(made: Analyser, heard: Heard) -> list[int]:
        sessions = [made.open(heard, name=f"caller {n}", backlog_s=60) for n in range(5)]
        for session in sessions:
            push(session, TWO_TURNS)
        await asyncio.gather(*(session.end() for session in sessions))
        return [thread.name == "ser-rt-analyser" for thread in threading.enumerate()]

    threads, heard = run(work)
    assert sum(threads) == 1
    names = [turn.source for turn in heard.of("turn")]
    assert sorted(names) == sorted(2 * [f"caller {n}" for n in range(5)])
    assert shared_analyser() is shared_analyser()


def test_rates_and_channels_may_change() -> None:
    async def work(made: Analyser, heard: Heard) -> None:
        session = made.open(heard, backlog_s=60)
        push(session, conversation(1.0))
        push(session, conversation(0.8, 0.9, rate=48_000), 48_000)
        stereo = np.repeat(conversation(1.5, 0.9, rate=8_000)[:, None], 2, axis=1)
        push(session, stereo, 8_000)
        await session.end()

    _, heard = run(work)
    spans = [(round(turn.start, 1), round(turn.end, 1)) for turn in heard.of("turn")]
    assert spans == [(0.0, 1.8), (2.7, 4.2)]
    assert not heard.of("warning")


@pytest.mark.parametrize(
    ("data", "rate", "channels", "words"),
    [
        (b"123", 16_000, 1, "3 bytes"),
        (b"1234", 16_000, 0, "channels, not 0"),
        (b"123456", 16_000, 2, "6 bytes"),
        (b"1234", 0, 1, "sample rate 0"),
        (b"1234", 44_100.5, 1, "44100.5"),
    ],
)
def test_what_is_no_audio_is_refused_and_the_session_goes_on(
    data: bytes, rate: Any, channels: int, words: str
) -> None:
    async def work(made: Analyser, heard: Heard) -> None:
        session = made.open(heard, backlog_s=60)
        push(session, TWO_TURNS)
        with pytest.raises(AudioInputError, match=words):
            session.push(data, rate, channels)
        session.push(b"", RATE)
        session.push(memoryview(bytearray(640)), RATE)
        await session.end()
        session.push(b"12", RATE)  # too late, and no matter
        assert session.position_s == pytest.approx(len(TWO_TURNS) / RATE + 0.02)

    _, heard = run(work)
    assert len(heard.of("turn")) == 2


def test_a_participant_who_leaves_within_a_turn_has_it_ended() -> None:
    async def work(made: Analyser, heard: Heard) -> None:
        first = made.open(heard, name="first", backlog_s=60)
        push(first, TWO_TURNS[: RATE + FRAME])
        ended = first.end()
        second = made.open(heard, name="second", backlog_s=60)
        push(second, TWO_TURNS)
        await asyncio.gather(ended, second.end(), first.end())

    _, heard = run(work)
    turns = {(turn.source, turn.id): turn for turn in heard.of("turn")}
    assert turns.keys() == {("first", 1), ("second", 1), ("second", 2)}
    assert turns["first", 1].end == pytest.approx(1.0, abs=0.05)
    assert turns["second", 1].start == 0, "nothing is left of the one before"


def test_settings_are_those_of_streams() -> None:
    with pytest.raises(ConfigError, match="backlog_s"):
        Analyser(SPOKEN, backlog_s=0)
    with pytest.raises(ConfigError, match="hop"):
        Analyser(SPOKEN, hop_s=-1)
    with pytest.raises(ConfigError, match="one stream"):
        Analyser(SPOKEN, vad=FrameVad(LevelDetector(RATE)))
    for channel in ("split", "all"):
        given: Any = {"channel": channel}
        with pytest.raises(ConfigError, match="one for each channel"):
            Analyser(SPOKEN, **given)

    async def work(made: Analyser, heard: Heard) -> None:
        session = made.open(heard, backlog_s=60)
        push(session, TWO_TURNS)
        await session.end()

    _, heard = run(work, turns=False)
    assert heard.of("emotion")
    assert not heard.of("turn")
