"""`SentAudio`: audio that may have to be sent again, should the connection be lost."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, replace

from ser_rt.audio.chunk import AudioChunk


@dataclass(slots=True)
class _Channel:
    """How far the results of a channel have come, in samples."""

    covered: int = 0
    turn_end: int = 0
    seen: int = 0
    """End of the last result of this connection, which may repeat those of the one before."""


class SentAudio:
    """What no result covers yet, and before it what an open turn may be of.

    A connection that takes the place of another one begins with it, and its first results repeat
    earlier ones. Channels are numbers from 1, or 0 of audio that is not split.
    """

    def __init__(self, longest_turn: int = 0) -> None:
        """Begin a stream whose turns have at most so many samples; 0 without turns."""
        self._longest_turn = longest_turn
        self._channels = {0: _Channel()}
        self._covered: deque[AudioChunk] = deque()
        self._waiting: deque[AudioChunk] = deque()
        self._waiting_samples = 0
        self.hop = 0
        """Samples from one result to the next, once known."""

    def split(self, channels: int) -> None:
        """Begin a stream of so many channels, each with results of its own."""
        self._channels = {number: _Channel() for number in range(1, channels + 1)}

    @property
    def covered_to(self) -> int:
        """Sample up to which every channel has results."""
        return min(channel.covered for channel in self._channels.values())

    @property
    def uncovered_samples(self) -> int:
        """How many samples have no result yet."""
        if not self._waiting:
            return 0
        # A result seldom ends where a chunk does: one is covered in part.
        return self._waiting_samples - max(0, self.covered_to - self._waiting[0].start)

    def add(self, chunk: AudioChunk) -> None:
        """Keep a chunk that is sent."""
        self._waiting.append(chunk)
        self._waiting_samples += len(chunk.samples)

    def is_new_result(self, channel: int, end: int) -> bool:
        """Note a result up to sample ``end``; return whether none before it was of that."""
        known = self._of(channel)
        known.seen = end
        if end <= known.covered:
            return False
        known.covered = end
        covered_to, kept_from = self.covered_to, self._resumes_at()
        while self._waiting and _end(self._waiting[0]) <= covered_to:
            self._covered.append(self._waiting.popleft())
            self._waiting_samples -= len(self._covered[-1].samples)
        while self._covered and _end(self._covered[0]) <= kept_from:
            self._covered.popleft()
        return True

    def is_new_turn(self, channel: int, start: int, end: int, *, final: bool) -> bool:
        """Note a turn; return whether it is none that has been given."""
        known = self._of(channel)
        if not final:
            return known.seen >= known.covered
        if start < known.turn_end:
            return False
        known.turn_end = end
        return True

    def clear(self) -> None:
        """Forget the audio: it is not to be sent again."""
        self._covered.clear()
        self._waiting.clear()
        self._waiting_samples = 0

    def again(self) -> tuple[int, list[AudioChunk]]:
        """Return the sample at which another connection resumes, and the chunks from there on.

        They are forgotten, as they are about to be sent.
        """
        start = self._resumes_at()
        chunks = [_from(chunk, start) for chunk in (*self._covered, *self._waiting)]
        self.clear()
        for channel in self._channels.values():
            channel.seen = 0
        return start, [chunk for chunk in chunks if len(chunk.samples)]

    def _resumes_at(self) -> int:
        """Return the end of the last result, or whole hops before it, back to the last turn."""
        ended = min(channel.turn_end for channel in self._channels.values())
        reach = max(0, min(self.covered_to - ended, self._longest_turn))
        if self.hop:
            reach = math.ceil(reach / self.hop) * self.hop
        return max(0, self.covered_to - reach)

    def _of(self, channel: int) -> _Channel:
        return self._channels.setdefault(channel, _Channel())


def _end(chunk: AudioChunk) -> int:
    return chunk.start + len(chunk.samples)


def _from(chunk: AudioChunk, start: int) -> AudioChunk:
    """Return the part of a chunk from a sample on."""
    passed = max(0, start - chunk.start)
    return replace(chunk, samples=chunk.samples[passed:], start=chunk.start + passed)
