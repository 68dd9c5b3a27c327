"""`MessageQueue`: messages that wait to be processed, bounded so that a fast client waits."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, NamedTuple


class AudioMessage(NamedTuple):
    """A binary message."""

    data: bytes
    arrived_at: float


class ControlMessage(NamedTuple):
    """A text message."""

    message: dict[str, Any]


Item = AudioMessage | ControlMessage


class MessageQueue:
    """A queue of messages in order; `put` waits while it holds ``max_bytes`` or more."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes, self._bytes = max_bytes, 0
        self._items: deque[Item] = deque()
        self._filled, self._has_room = asyncio.Event(), asyncio.Event()
        self._has_room.set()

    async def put(self, item: Item) -> None:
        """Add a message when there is room."""
        await self._has_room.wait()
        self._add(item)

    def end(self) -> None:
        """Add `close`, room or not."""
        self._add(ControlMessage({"type": "close"}))

    def _add(self, item: Item) -> None:
        self._items.append(item)
        self._bytes += _size(item)
        if self._bytes >= self._max_bytes:
            self._has_room.clear()
        self._filled.set()

    async def get(self) -> list[Item]:
        """Wait for messages; return all audio up to the next control message, or that one."""
        await self._filled.wait()
        taken = [self._items.popleft()]
        if isinstance(taken[0], AudioMessage):
            while self._items and isinstance(self._items[0], AudioMessage):
                taken.append(self._items.popleft())
        self._bytes -= sum(map(_size, taken))
        if self._bytes < self._max_bytes:
            self._has_room.set()
        if not self._items:
            self._filled.clear()
        return taken


def _size(item: Item) -> int:
    # A message of a byte costs more than a byte.
    return len(item.data) + 100 if isinstance(item, AudioMessage) else 1000
