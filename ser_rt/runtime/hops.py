"""Hops that a network with caches can do, and the windows that they make up."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ser_rt.errors import ConfigError

if TYPE_CHECKING:  # command lines import this, and must start without numpy
    from ser_rt.streaming import Streaming

_OR_WINDOWS = "have whole windows classified with streaming off"


def check_hop(streaming: Streaming, hop_s: float, sample_rate: int) -> None:
    """Raise `ConfigError` if a network cannot do a hop of so many seconds."""
    if not streaming.min_hop_s <= hop_s <= streaming.max_hop_s:
        msg = (
            f"hop must be within {streaming.min_hop_s:g} and {streaming.max_hop_s:g} s, not "
            f"{hop_s:g} s, where this network streams; {_OR_WINDOWS}"
        )
        raise ConfigError(msg)
    frame_s = streaming.frame_samples / sample_rate
    frames = hop_s / frame_s
    if abs(frames - round(frames)) > 1e-6:
        msg = (
            f"hop must be a multiple of {frame_s:g} s, not {hop_s:g} s, where this network "
            f"streams: {math.ceil(frames) * frame_s:g} s is one; {_OR_WINDOWS}"
        )
        raise ConfigError(msg)


def check_window(streaming: Streaming, window_s: float) -> None:
    """Raise `ConfigError` if a network pools its answers over another window."""
    if abs(window_s - streaming.pooled_s) > 1e-6:
        msg = (
            f"window must be {streaming.pooled_s:g} s, not {window_s:g} s, where this network "
            f"streams: leave it out, or {_OR_WINDOWS}"
        )
        raise ConfigError(msg)


def whole_hops(seconds: float, hop_s: float) -> float:
    """Return the seconds of the fewest hops that are not shorter than ``seconds``."""
    return math.ceil(seconds / hop_s - 1e-6) * hop_s
