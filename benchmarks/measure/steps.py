"""`Runner` and `Step`: the interface between a worker and whatever it measures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from ser_rt.classifier import FloatArray

Predict = Callable[[FloatArray], FloatArray]
"""Float32 ``[samples]`` to probabilities ``[labels]``."""


class Step(NamedTuple):
    """One measured step.

    Attributes:
        cost_s: Seconds of all its work.
        latency_s: Seconds from the last samples to the result.
        probabilities: Of the classified window, in the model's order of labels.
        work: Amount of work, in the runner's own unit: windows, seconds of audio, operations.
        extra: Further measures.
    """

    cost_s: float
    latency_s: float
    probabilities: list[float] | None = None
    work: float = 1.0
    extra: dict[str, Any] | None = None


class Runner(Protocol):
    """Runs one variant, step by step; each step moves on by one hop."""

    @property
    def step(self) -> Callable[..., Step]:
        """Do the next step; some runners take settings."""
        ...
