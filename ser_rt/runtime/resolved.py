"""`Windows` and `Naming`: what settings come to with a model and its profile."""

from __future__ import annotations

from typing import NamedTuple


class Windows(NamedTuple):
    """Lengths in seconds, as of `StreamSettings`."""

    window_s: float
    hop_s: float
    min_window_s: float


class Naming(NamedTuple):
    """How results are named, as of `StreamSettings` and `HysteresisSettings`."""

    half_life_s: float
    enter: float
    leave: float
    hold_s: float
    unsure: float
    gate_threshold: float
