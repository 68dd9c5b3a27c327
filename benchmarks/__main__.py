"""`ser-bench`: measures the cost of streams on this machine, how many fit, and other libraries."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ser_rt.benchmarks.flags import check, parse_args
from ser_rt.cli.process import run_command, tell
from ser_rt.errors import requires

if TYPE_CHECKING:
    import argparse


def _command(name: str) -> Callable[[argparse.Namespace, Callable[[str], None]], int]:
    with requires("ser-bench", "bench"):
        from ser_rt.benchmarks import commands
    return commands.COMMANDS[name]


def run(flags: argparse.Namespace) -> int:
    """Run one of the commands."""
    check(flags)
    command = _command(flags.command)
    return command(flags, tell)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; 0 when measured, 1 on an error, 2 on a wrong command line."""
    return run_command("ser-bench", lambda: run(parse_args(argv)))


if __name__ == "__main__":
    sys.exit(main())
