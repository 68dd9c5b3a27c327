"""Conversations, and sessions of agents that hear them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import soundfile

import ser_rt
from ser_rt.agents import Analyser, ParticipantSession
from ser_rt.classifier import FloatArray
from ser_rt.testing import FakeClassifier

T = TypeVar("T")
RATE = 16_000
FRAME = RATE // 50
SPOKEN = FakeClassifier((0.8, 0.2), labels=("Joy", "Sad"))


def conversation(*parts: float, rate: int = RATE) -> npt.NDArray[np.int16]:
    """Speech and silence in turn, in seconds."""
    draw = np.random.default_rng(7)
    loud = [draw.normal(0, 4000 * (i % 2 == 0), round(s * rate)) for i, s in enumerate(parts)]
    return np.concatenate(loud).astype(np.int16)


TWO_TURNS = conversation(1.5, 1.2, 2.0, 1.2)


def analyser(model: Any = SPOKEN, **settings: Any) -> Analyser:
    """An analyser of a frozen clock, so that nothing is late, which takes noise for speech."""
    return Analyser(model, vad=False, **{"clock": lambda: 0.0} | settings)


class Heard:
    """What a session delivers."""

    def __init__(self) -> None:
        self.events: list[ser_rt.Event] = []

    def __call__(self, event: ser_rt.Event) -> None:
        assert threading.current_thread() is threading.main_thread()
        self.events.append(event)

    def of(self, kind: str) -> list[Any]:
        return [event for event in self.events if event.type == kind]


def push(session: ParticipantSession, samples: npt.NDArray[np.int16], rate: int = RATE) -> None:
    """Push frames of 20 ms."""
    channels = 1 if samples.ndim == 1 else samples.shape[1]
    for start in range(0, len(samples), rate // 50):
        session.push(samples[start : start + rate // 50].tobytes(), rate, channels)


def run(
    work: Callable[[Analyser, Heard], Awaitable[T]], model: Any = SPOKEN, **settings: Any
) -> tuple[T, Heard]:
    """Run something in an event loop with an analyser of its own."""
    heard, made = Heard(), analyser(model, **settings)

    async def main() -> T:
        return await asyncio.wait_for(work(made, heard), 60)

    try:
        return asyncio.run(main()), heard
    finally:
        made.close()


def two_parties(seconds: float) -> dict[str, npt.NDArray[np.int16]]:
    """The sample again and again, from both ends of a line, one behind the other."""
    sample, _ = soundfile.read(ser_rt.sample_path(), dtype="int16")
    length = round(seconds * RATE)
    long = np.resize(sample, length)
    return {"caller": long, "agent": np.concatenate([np.zeros(7 * RATE, np.int16), long])[:length]}


def shown(events: Iterable[ser_rt.Event]) -> list[Any]:
    return [event.to_dict(timing=False) for event in events]


class Stuck:
    """A model that does not answer until it is let."""

    def __init__(self) -> None:
        self.free, self.labels, self.sample_rate = threading.Event(), SPOKEN.labels, RATE

    def __call__(self, waveforms: FloatArray) -> FloatArray:
        assert self.free.wait(60)
        return SPOKEN(waveforms)


class Broken:
    """A model that fails at some calls.

    Attributes:
        calls: How many there were.
    """

    def __init__(self, *bad: int) -> None:
        self.calls, self._bad = 0, bad
        self.labels, self.sample_rate = SPOKEN.labels, RATE

    def __call__(self, waveforms: FloatArray) -> FloatArray:
        self.calls += 1
        if self.calls in self._bad:
            msg = "the card fell out"
            raise OSError(msg)
        return SPOKEN(waveforms)
