"""`refuse_idle`: refuses flags of a command line that do nothing there.

A flag that is ignored in silence misleads: whoever holds out a speaker believes it.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import NamedTuple

from ser_rt.cli.arguments import with_hyphens
from ser_rt.errors import ConfigError

OF_VAD = ("vad_threshold", "vad_negative_threshold", "vad_min_silence", "vad_pre_roll")
"""Flags of the network that detects speech."""


class Rule(NamedTuple):
    """What a flag needs to have an effect."""

    is_met: object
    """Whether it has what it needs; truth counts."""
    dest: str
    """Of the flag: its name with underscores."""
    why: str
    """What follows the flag's name in the message."""


def given_in(parser: argparse.ArgumentParser, argv: Sequence[str] | None) -> set[str]:
    """Return the flags that a command line sets, be it to the default, by `Rule.dest`."""
    flags = {
        option: action.dest
        for action in parser._actions  # noqa: SLF001 (argparse has no public list)
        for option in action.option_strings
    }
    words = with_hyphens(argv)
    if "--" in words:
        words = words[: words.index("--")]
    found = set()
    for word in words:
        name = word.partition("=")[0]
        if name in flags:
            found.add(flags[name])
        elif name.startswith("--"):  # shortened, where a parser allows it
            found |= {dest for flag, dest in flags.items() if flag.startswith(name)}
        elif name.startswith("-") and name[:2] in flags:
            found.add(flags[name[:2]])
    return found


def flag_of(dest: str) -> str:
    """Return the flag of a name.

    >>> flag_of("hold_out")
    '--hold-out'
    """
    return f"--{dest.replace('_', '-')}"


def refuse_idle(
    given: Collection[str],
    rules: Iterable[Rule | tuple[object, str, str]],
    written: Callable[[str], str] = flag_of,
) -> None:
    """Raise a `ConfigError` for the first flag that is given and has not what it needs.

    ``written`` returns how a command line has a name.
    """
    for is_met, dest, why in rules:
        if dest in given and not is_met:
            msg = f"{written(dest)} {why}"
            raise ConfigError(msg)


def stream_rules(flags: argparse.Namespace) -> list[tuple[object, str, str]]:
    """Return what flags of streams need, as `refuse_idle` takes it."""
    return [
        *((not flags.no_vad, dest, "does nothing with --no-vad") for dest in OF_VAD),
        *(
            (
                flags.gate_threshold != 0
                or getattr(flags, "turns", False)
                or getattr(flags, "speaker_change", False),
                dest,
                "does nothing with --gate-threshold 0",
            )
            for dest in OF_VAD
        ),
        (flags.partial, "min_window", "does nothing with --no-partial"),
        *(
            (
                getattr(flags, "half_life", None) != 0,
                dest,
                "is of the smoothing, which --half-life 0 leaves out",
            )
            for dest in ("weight", "neutral")
        ),
    ]
