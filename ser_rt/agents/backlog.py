"""`Backlog`: audio on its way from an event loop to the analyser's thread, bounded in seconds."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import NamedTuple


class PushedAudio(NamedTuple):
    """Some consecutive samples as an agent has them.

    Attributes:
        data: int16 samples in the machine's order, those of the channels side by side.
        sample_rate: In Hz.
        channels: How many.
        start_s: Seconds of audio that were pushed before it.
        captured_at: Monotonic seconds when the last sample arrived.
    """

    data: bytes
    sample_rate: int
    channels: int
    start_s: float
    captured_at: float

    @property
    def seconds(self) -> float:
        """Its length."""
        return len(self.data) / (2 * self.channels * self.sample_rate)


Step = PushedAudio | Callable[[], None]
"""Audio to analyse, or what is to be done when all audio before it has been."""


class Backlog:
    """A queue of steps, in order. Neither side waits; where it is full the oldest audio goes."""

    def __init__(self, longest_s: float) -> None:
        self._longest_s, self._seconds = longest_s, 0.0
        self._steps: deque[Step] = deque()
        self._lock = threading.Lock()

    def put(self, step: Step) -> bool:
        """Add a step; return whether audio had to be dropped for it."""
        with self._lock:
            self._steps.append(step)
            if isinstance(step, PushedAudio):
                self._seconds += step.seconds
            if self._seconds <= self._longest_s:
                return False
            self._drop()
            return True

    def take(self, longest_s: float) -> list[Step]:
        """Return the oldest steps with about so many seconds of audio at most; [] if none wait."""
        taken: list[Step] = []
        with self._lock:
            while self._steps and longest_s > 0:
                step = self._steps.popleft()
                if isinstance(step, PushedAudio):
                    self._seconds -= step.seconds
                    longest_s -= step.seconds
                taken.append(step)
        return taken

    def clear(self) -> None:
        """Drop all steps."""
        with self._lock:
            self._steps.clear()
            self._seconds = 0.0

    def __len__(self) -> int:
        return len(self._steps)

    def _drop(self) -> None:
        kept: list[Step] = []
        while self._steps and self._seconds > self._longest_s:
            step = self._steps.popleft()
            if isinstance(step, PushedAudio):
                self._seconds -= step.seconds
            else:
                kept.append(step)
        self._steps.extendleft(reversed(kept))
