"""`BlockQueue`: captured audio on its way from the capturing thread to the reader."""

from __future__ import annotations

import threading
from collections import deque
from typing import Any, NamedTuple

import numpy.typing as npt


class QueuedBlock(NamedTuple):
    """Samples as they were captured.

    Attributes:
        first_frame: Index of the first frame since capturing began.
        samples: ``[frames, channels]`` or ``[frames]``.
        captured_at: Monotonic seconds when the last frame arrived.
        has_lost: Whether the device reports a loss before this block.
    """

    first_frame: int
    samples: npt.NDArray[Any]
    captured_at: float
    has_lost: bool = False


class BlockQueue:
    """A bounded queue that never makes the capturing side wait: the oldest blocks go first.

    A dropped block shows as a jump of ``first_frame``.
    """

    def __init__(self, max_blocks: int) -> None:
        self._blocks: deque[QueuedBlock] = deque(maxlen=max_blocks)
        self._is_ready = threading.Event()

    def put(self, block: QueuedBlock) -> None:
        """Add a block; callable from any thread, and never waits."""
        self._blocks.append(block)
        self._is_ready.set()

    def get(self, timeout_s: float) -> QueuedBlock | None:
        """Return the oldest block, or None if none comes in time or `wake` is called."""
        self._is_ready.clear()
        if not self._blocks:
            self._is_ready.wait(timeout_s)
        try:
            return self._blocks.popleft()
        except IndexError:
            return None

    def wake(self) -> None:
        """Let a waiting `get` return."""
        self._is_ready.set()

    def clear(self) -> None:
        """Drop the blocks that wait."""
        self._blocks.clear()

    def __len__(self) -> int:
        return len(self._blocks)
