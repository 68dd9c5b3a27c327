"""`Draws`: random choices that are the same on every machine and with every version of Python."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from random import Random
from typing import TypeVar

T = TypeVar("T")


class Draws:
    """Draws that follow from what they are for, such as a seed and the number of a stream.

    Python promises the sequence of `random.Random.random` alone to stay, so nothing else of it is
    used. Streams have draws of their own: one does not depend on how many come before it.
    """

    def __init__(self, *purpose: object) -> None:
        digest = sha256("/".join(map(str, purpose)).encode()).digest()
        self._random = Random(int.from_bytes(digest[:8], "big")).random  # noqa: S311 (no secret)

    def share(self) -> float:
        """Return a number in [0, 1)."""
        return self._random()

    def below(self, count: int) -> int:
        """Return one of ``0 .. count - 1``."""
        return int(self._random() * count)

    def one(self, options: Sequence[T]) -> T:
        """Return one of some options."""
        return options[self.below(len(options))]

    def between(self, low: float, high: float) -> float:
        """Return a number in [low, high)."""
        return low + (high - low) * self._random()

    def shuffled(self, options: Sequence[T]) -> list[T]:
        """Return all options in another order (Fisher and Yates)."""
        rest = list(options)
        return [rest.pop(self.below(len(rest))) for _ in options]
