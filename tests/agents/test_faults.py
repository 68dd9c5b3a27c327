"""Sessions of agents whose model is slow or fails, and whose loop has ended."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest

from ser_rt.agents import Analyser, ParticipantSession
from ser_rt.errors import BundleNotFoundError, InferenceError
from tests.support.agent_sessions import (
    RATE,
    TWO_TURNS,
    Broken,
    Heard,
    Stuck,
    analyser,
    conversation,
    push,
    run,
)


def test_a_slow_model_costs_results_and_one_warning(caplog: pytest.LogCaptureFixture) -> None:
    model = Stuck()

    async def work(made: Analyser, heard: Heard) -> float:
        session = made.open(heard, name="caller")
        push(session, conversation(30.0))  # returns, although the model never does
        waited = session.so_far()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(waited), 0)
        model.free.set()
        await waited
        push(session, TWO_TURNS)
        await session.end()
        return session.position_s

    position_s, heard = run(work, model, backlog_s=2.0)
    assert position_s == pytest.approx(30 + len(TWO_TURNS) / RATE)
    assert [event.code for event in heard.of("warning")] == ["overflow"]
    assert len(caplog.records) == 1
    assert "caller" in caplog.text
    last = heard.of("turn")[-1]
    assert last.end == pytest.approx(34.7, abs=0.1), "later audio keeps its time"


def test_a_fresh_stream_begins_where_the_model_failed(caplog: pytest.LogCaptureFixture) -> None:
    async def work(made: Analyser, heard: Heard) -> None:
        session = made.open(heard, backlog_s=60)
        push(session, np.concatenate([TWO_TURNS, TWO_TURNS, TWO_TURNS]))
        await session.end()

    model = Broken(6, 16)
    _, heard = run(work, model)
    assert model.calls > 20
    warning = heard.of("warning")
    assert [event.code for event in warning] == ["failed"]
    assert "the card fell out" in str(warning[0].message)
    assert len(caplog.records) == 1
    ids = [turn.id for turn in heard.of("turn")]
    assert ids == list(range(1, len(ids) + 1)), "numbers go on"
    assert [event.seq for event in heard.events] == list(range(len(heard.events)))
    assert heard.events[-1].end == pytest.approx(3 * len(TWO_TURNS) / RATE, abs=0.01)


def test_what_always_fails_is_given_up(caplog: pytest.LogCaptureFixture) -> None:
    model = Broken(*range(1000))

    async def work(made: Analyser, heard: Heard) -> Any:
        session = made.open(heard, backlog_s=60)
        push(session, TWO_TURNS)
        answer = await session.so_far()
        await session.end()
        return answer

    answer, heard = run(work, model)
    assert answer is None
    assert model.calls == 3
    assert len(heard.of("warning")) == len(caplog.records) == 1


def test_a_model_that_does_not_load_is_a_warning(
    tmp_path: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(BundleNotFoundError, match="no-such"):
        Analyser("no-such")

    async def work(made: Analyser, heard: Heard) -> None:
        session = made.open(heard, name="caller")
        push(session, TWO_TURNS)
        await session.end()

    _, heard = run(work, tmp_path, backlog_s=60)
    assert [event.code for event in heard.events] == ["failed"]
    assert "manifest" in caplog.text


def test_a_cancelled_session_is_silent_and_futures_end() -> None:
    async def work(made: Analyser, heard: Heard) -> list[Any]:
        session = made.open(heard, backlog_s=60)
        push(session, TWO_TURNS)
        session.so_far().cancel()
        waiting = session.so_far()
        session.cancel()
        assert await waiting is None
        other = made.open(print)
        await other.end()
        await session.end()
        return [await session.so_far(), session.is_open]

    (so_far, is_open), heard = run(work)
    assert (so_far, is_open) == (None, False)
    assert heard.events == []


def test_a_loop_that_ended_and_an_analyser_that_closed() -> None:
    made = analyser(backlog_s=60)

    async def leave() -> ParticipantSession:
        session = made.open(print)
        push(session, TWO_TURNS)
        return session

    session = asyncio.run(leave())
    made.close()  # with audio that waits, whose loop is gone
    assert not session.is_open

    async def too_late() -> None:
        with pytest.raises(InferenceError, match="closed"):
            made.open(print)

    asyncio.run(too_late())
    with pytest.raises(RuntimeError):
        analyser().open(print)
