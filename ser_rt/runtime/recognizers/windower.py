"""`Windower`, which cuts windows from a stream by sample index alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from ser_rt.classifier import FloatArray
from ser_rt.errors import AudioInputError


@dataclass(frozen=True, slots=True)
class Window:
    """Samples ``start`` to ``end`` (not included) of the stream, in an array of their own.

    The last ``tail`` of them belong to a hop that is not complete: the stream or a gap ends it.
    No result is due of an early one, which may already be computed as far as it goes.
    """

    samples: FloatArray
    start: int
    end: int
    is_partial: bool
    tail: int = 0
    is_early: bool = False

    def since(self, sample: int) -> Window:
        """Return what of it is not before a sample."""
        if sample <= self.start:
            return self
        return replace(
            self, samples=self.samples[sample - self.start :], start=sample, is_partial=True
        )


class Windower:
    """Cuts windows that end at ``first``, ``first + hop``, ``first + 2 * hop``, ... samples.

    A window reaches ``window`` samples back, or to the first sample: then it is partial.
    A gap ends the windows before it as `flush` does; the count starts anew at the first sample
    behind it.

    Example:
        >>> cutter = Windower(window=4, hop=2, first=2)
        >>> [(w.start, w.end) for w in cutter.feed(np.zeros(7, np.float32), start=0)]
        [(0, 2), (0, 4), (2, 6)]
        >>> [(w.start, w.end) for w in cutter.flush()]
        [(3, 7)]
    """

    def __init__(self, *, window: int, hop: int, first: int, early: bool = False) -> None:
        """Make a windower.

        Args:
            window: Length in samples.
            hop: Samples from one window to the next, at most ``window``.
            first: Samples of the first one, at most ``window``.
            early: Whether each hop before ``first``, whose whole hops those are then, has an early
                window.
        """
        self._window, self._hop, self._first = window, hop, first
        self._soonest = hop if early else first
        self._buffer: FloatArray = np.empty(2 * window, dtype=np.float32)
        self._start_at(0)

    def _start_at(self, sample: int) -> None:
        self._origin = self._end = self._last_cut = sample
        self._next_cut = sample + self._soonest
        self._held = 0

    def feed(self, samples: FloatArray, start: int) -> Iterator[Window]:
        """Yield every window that ends within ``samples``, whose first has index ``start``.

        After a gap, the window that `flush` would have given before it comes first.
        """
        if start < self._end and len(samples):
            msg = f"chunk starts at sample {start}, but {self._end} samples were already fed"
            raise AudioInputError(msg)
        if start > self._end:
            yield from self.flush()
            self._start_at(start)
        taken = 0
        while taken < len(samples):
            count = min(len(samples) - taken, self._next_cut - self._end)
            self._append(samples[taken : taken + count])
            taken += count
            if self._end == self._next_cut:
                self._next_cut += self._hop
                yield self._cut(is_early=self._end - self._origin < self._first)

    def flush(self) -> Iterator[Window]:
        """Yield one last window if some samples have been in none."""
        if self._end > self._last_cut:
            yield self._cut()

    def _append(self, samples: FloatArray) -> None:
        if self._held + len(samples) > len(self._buffer):
            kept = self._window - len(samples)
            self._buffer[:kept] = self._buffer[self._held - kept : self._held]
            self._held = kept
        self._buffer[self._held : self._held + len(samples)] = samples
        self._held += len(samples)
        self._end += len(samples)

    def _cut(self, *, is_early: bool = False) -> Window:
        length = min(self._window, self._end - self._origin)
        samples = self._buffer[self._held - length : self._held].copy()
        if not is_early:
            self._last_cut = self._end
        tail = (self._end - self._next_cut) % self._hop
        start, is_partial = self._end - length, length < self._window
        return Window(samples, start, self._end, is_partial, tail, is_early)
