"""Flags that several commands of ``ser-bench`` share, and readers of their values."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from ser_rt.cli.arguments import positive_int, replaced_file
from ser_rt.runtime.backends.providers import PROVIDERS


def _number(fits: Callable[[float], bool], words: str) -> Callable[[str], float]:
    """Return a reader of numbers for `argparse`."""

    def read(text: str) -> float:
        with suppress(ValueError):
            if fits(value := float(text)):
                return value
        msg = f"{text!r} must be {words}"
        raise argparse.ArgumentTypeError(msg)

    return read


seconds = _number(lambda x: 0 < x <= 3600, "a number of seconds over 0 and at most 3600")
share = _number(lambda x: 0 <= x <= 1, "a number within 0 and 1")
amount = _number(lambda x: 0 < x < math.inf, "a number above 0")


def whole(text: str) -> int:
    """Read 0 or more for `argparse`."""
    if not text.isdecimal():
        msg = f"{text!r} must be a whole number of 0 or more"
        raise argparse.ArgumentTypeError(msg)
    return int(text)


def bundles(parser: argparse.ArgumentParser, what: str = "to measure") -> None:
    """Add the bundles."""
    parser.add_argument(
        "--bundle",
        nargs="+",
        default=None,
        metavar="BUNDLE",
        help=f"folders or built-in names {what}",
    )


def matrix(parser: argparse.ArgumentParser, *, devices: bool = True) -> None:
    """Add what is combined: providers, threads, windows, hops."""
    if devices:
        parser.add_argument(
            "--provider", nargs="+", choices=list(PROVIDERS), default=["cpu"], help="where to run"
        )
    parser.add_argument(
        "--threads", nargs="+", type=positive_int, default=[1], help="of a call (default: 1)"
    )
    parser.add_argument(
        "--window", nargs="+", type=seconds, default=[3.0], help="in seconds (default: 3)"
    )
    parser.add_argument(
        "--hop", nargs="+", type=seconds, default=[0.5], help="in seconds (default: 0.5)"
    )
    parser.add_argument(
        "--chunk", type=seconds, default=0.1, help="length of live chunks (default: 0.1)"
    )
    parser.add_argument("--audio", type=Path, metavar="FILE", help="default: the bundled sample")


def turns(parser: argparse.ArgumentParser) -> None:
    """Add how often is measured."""
    parser.add_argument("--rounds", type=positive_int, default=10, help="turns (default: 10)")
    parser.add_argument(
        "--steps", type=positive_int, default=3, help="timed steps in a turn (default: 3)"
    )
    parser.add_argument("--warmup", type=whole, default=1, help="rounds before (default: 1)")
    parser.add_argument(
        "--cold-starts", type=positive_int, default=1, help="processes started (default: 1)"
    )
    parser.add_argument("--compare-to", metavar="NAME", help="row that ratios refer to")
    cores(parser)


def cores(parser: argparse.ArgumentParser) -> None:
    """Add where workers run, and for how long."""
    parser.add_argument(
        "--cores", type=whole, default=0, help="keep workers on so many cores; 0 for all"
    )
    parser.add_argument(
        "--timeout", type=seconds, default=900.0, help="longest wait for one turn in seconds"
    )
    parser.add_argument("--seed", type=whole, default=0, help="of the order of turns")


def output(parser: argparse.ArgumentParser, default: str = "printed only") -> None:
    """Add where the result goes."""
    parser.add_argument(
        "--json",
        type=replaced_file,
        metavar="FILE",
        help=f"write the result, - to print it instead of tables (default: {default})",
    )
    parser.add_argument("--machine", metavar="NAME", help="name of this machine in the result")


def simulation(parser: argparse.ArgumentParser) -> None:
    """Add the settings of simulated streams."""
    parser.add_argument(
        "--max-batch",
        nargs="+",
        type=whole,
        default=[0],
        help="most windows in a call of ser-rt's batcher; 0: no batcher, one call per window",
    )
    parser.add_argument(
        "--workers", type=whole, default=0, help="threads that call the model; 0: one per core"
    )
    parser.add_argument("--seconds", type=seconds, default=10.0, help="length of a simulation")
    parser.add_argument(
        "--p95", type=float, default=100.0, metavar="MS", help="acceptable latency in ms"
    )
    parser.add_argument("--lost", type=share, default=0.0, help="share of windows that may be lost")
    parser.add_argument(
        "--limit", type=positive_int, default=4096, help="most streams that a search tries"
    )


def side_by_side(parser: argparse.ArgumentParser) -> None:
    """Add the settings of a comparison with other libraries."""
    parser.add_argument("--peer", nargs="+", default=[], help="only these (default: all)")
    matrix(parser)
    parser.add_argument("--no-floor", action="store_true", help="leave out the arithmetic floor")
    turns(parser)
    output(parser)
