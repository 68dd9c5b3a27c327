"""What waits for a `Batcher`'s next call of the model."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ser_rt.classifier import FloatArray, Hop
from ser_rt.errors import InferenceError, SerError

Call = Callable[[list[Any]], Iterable[Any]]
"""A call of the model, from the inputs of some windows to the results of each."""


@dataclass(frozen=True)
class Stacked:
    """The call of a function that takes its inputs as one array, batch first."""

    function: Callable[[FloatArray], FloatArray]

    def __call__(self, inputs: list[FloatArray]) -> FloatArray:
        """Return the results of some inputs of equal shape."""
        return self.function(np.stack(inputs))


@dataclass(slots=True, eq=False)
class Waiting:
    """The input of one window, or a hop, whose result is to come."""

    call: Call
    input: FloatArray | Hop
    shape: tuple[int, ...]
    since: float
    is_final: bool
    result: Future[Any] = field(default_factory=Future)
    waited_s: float = 0.0
    """How long it had waited when its call began."""

    def is_like(self, other: Waiting) -> bool:
        """Return whether both can share a call."""
        return self.call == other.call and self.shape == other.shape


def as_ours(error: Exception) -> SerError:
    """Return whatever a model raised as an error of ser-rt."""
    if isinstance(error, SerError):
        return error
    ours = InferenceError(f"the model failed: {' '.join(str(error).split())[:300]}")
    ours.__cause__ = error
    return ours
