"""Flags of the settings that a profile has, for every command that has streams."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from ser_rt.constants import GATE_THRESHOLD, HALF_LIFE_S, WEIGHT_PER_S


class Group(Protocol):
    """A parser, or a group of its flags."""

    def add_argument(self, *names: str, **how: Any) -> argparse.Action:
        """Add a flag."""
        ...


def add_profile_flags(group: Group) -> None:
    """Add the flags of the settings that a profile has; without a value, None."""
    add_lengths(group)
    add_gate_flag(group)
    add_smoothing_flags(group)


def add_lengths(group: Group) -> None:
    """Add ``--window`` and ``--hop``."""
    seconds = numbers(group, "S")
    seconds("--window", help="seconds of audio in a window (the model's)")
    seconds("--hop", help="seconds from one result to the next (the model's)")


def add_gate_flag(group: Group) -> None:
    """Add ``--gate-threshold``."""
    numbers(group, "P")(
        "--gate-threshold",
        help="share of a window that must be speech; 0 classifies silence too "
        f"(the profile's, else {GATE_THRESHOLD})",
    )


def add_smoothing_flags(group: Group) -> None:
    """Add the flags of smoothing and hysteresis."""
    seconds, share = numbers(group, "S"), numbers(group, "P")
    seconds(
        "--half-life",
        help="half of what was believed is forgotten after S; 0 for no smoothing "
        f"(the profile's, else {HALF_LIFE_S})",
    )
    group.add_argument(
        "--weight",
        type=float,
        metavar="X",
        help="how much a second of results counts against what was believed before "
        f"(the profile's, else {WEIGHT_PER_S:g})",
    )
    share(
        "--neutral",
        help="probability that a voice is neutral before any result "
        "(the profile's, else as of any emotion)",
    )
    share(
        "--enter",
        help="name another emotion from this probability on (the profile's, else 0)",
    )
    share(
        "--leave",
        help="keep the named emotion while its probability is at least this; delays a change "
        "until it has fallen so far (the profile's, else 1: any other may take over)",
    )
    seconds(
        "--hold",
        help="keep a named emotion this long; delays a change by up to S (the profile's, else 0)",
    )
    share(
        "--unsure",
        help="name nothing (unsure) below this probability; no delay (the profile's, else 0)",
    )


def numbers(group: Group, unit: str) -> Callable[..., argparse.Action]:
    """Return what adds a flag with a number of some unit."""
    return partial(group.add_argument, type=float, metavar=unit)
