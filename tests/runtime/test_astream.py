"""Awaited streams share a program with others: threads, and what they were given."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from threading import Event

import numpy as np

import ser_rt
from ser_rt.audio.chunk import AudioChunk, AudioSource
from ser_rt.testing import FakeClassifier
from tests.conftest import RATE, make_wave
from tests.support.waiting import until

MANY = 40
"""More than asyncio has threads of its own."""


class Quiet(AudioSource):
    """A caller who says nothing until the end."""

    def __init__(self) -> None:
        self._is_over = Event()

    def __iter__(self) -> Iterator[AudioChunk]:
        self._is_over.wait(120)
        yield from ()

    def close(self) -> None:
        self._is_over.set()


async def all_of(audio: AudioSource | list[np.ndarray]) -> int:
    rate = None if isinstance(audio, AudioSource) else RATE
    events = ser_rt.astream(audio, sample_rate=rate, model=FakeClassifier(), vad=False)
    return len([event async for event in events])


def test_callers_who_say_nothing_hold_up_no_other() -> None:
    async def run() -> int:
        quiet = [Quiet() for _ in range(MANY)]
        tasks = [asyncio.create_task(all_of(source)) for source in quiet]
        await asyncio.sleep(0)
        try:
            found = await asyncio.wait_for(all_of([make_wave(2.0)]), 60)
            await asyncio.wait_for(asyncio.to_thread(int), 60)
        finally:
            for source in quiet:
                source.close()
        await asyncio.gather(*tasks)
        return found

    assert asyncio.run(run()) > 0


def test_what_gives_the_arrays_is_closed_with_the_stream() -> None:
    begun: list[str] = []
    closed: list[str] = []

    async def arrays(name: str) -> AsyncIterator[np.ndarray]:
        begun.append(name)
        try:
            while True:
                yield make_wave(1.0)
        finally:
            closed.append(name)

    async def left_early() -> None:
        events = ser_rt.astream(arrays("left"), sample_rate=RATE, model=FakeClassifier(), vad=False)
        async with aclosing(events):
            async for _ in events:
                break
        assert closed == ["left"]

    async def cancelled() -> None:
        async def listen() -> None:
            source = arrays("cancelled")
            async for _ in ser_rt.astream(
                source, sample_rate=RATE, model=FakeClassifier(), vad=False
            ):
                pass

        task = asyncio.create_task(listen())
        await until(lambda: begun == ["left", "cancelled"])
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(left_early())
    asyncio.run(cancelled())
    assert closed == ["left", "cancelled"]
