"""The flags of ``ser-bench``, and their checks."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from ser_rt.benchmarks.measure.variant import RATE_HZ
from ser_rt.cli.arguments import Parser, new_file, positive_int
from ser_rt.errors import ConfigError
from ser_rt.runtime.backends.providers import PROVIDERS

PARTS = {
    "hop": "one result of a stream, through ser-rt's engine",
    "window": "one call of the model with a whole window",
}
THROUGH = {
    "window": "the model, window by window",
    "stream": "the engine, as a stream of chunks",
}


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


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = Parser(prog="ser-bench", description=__doc__.replace("\n", " "))
    parser.description = "Measure the cost of streams here, how many fit, and other libraries."
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _latency(commands.add_parser("latency", help="cost of a hop and of a window"))
    _throughput(commands.add_parser("throughput", help="windows per second, files × real time"))
    _streams(commands.add_parser("streams", help="live streams at once, and how many fit"))
    _peers(commands.add_parser("peers", help="the same network in other libraries"))
    _gpu(commands.add_parser("gpu", help="everything on this machine's NVIDIA GPU, in one run"))
    _fleet(commands.add_parser("fleet", help="what many streams need, from the load of one core"))
    _agreement(commands.add_parser("agreement", help="whether bundles return the same emotions"))
    _report(commands.add_parser("report", help="results as one HTML page and Markdown tables"))
    return parser.parse_args(argv)


def check(flags: argparse.Namespace) -> None:
    """Raise `ConfigError` where flags contradict each other."""
    windows, hops = (_listed(getattr(flags, name, [])) for name in ("window", "hop"))
    if windows and hops and max(hops) > min(windows):
        msg = f"--hop {max(hops):g} is longer than --window {min(windows):g}"
        raise ConfigError(msg)
    chunk_s = getattr(flags, "chunk", 0.1)
    if round(chunk_s * RATE_HZ) < 1 or (hops and chunk_s > min(hops)):
        msg = f"--chunk {chunk_s:g} must be at least a sample and at most --hop {min(hops):g}"
        raise ConfigError(msg)


def _listed(value: float | list[float]) -> list[float]:
    return value if isinstance(value, list) else [value]


def _latency(parser: argparse.ArgumentParser) -> None:
    _bundles(parser)
    _matrix(parser)
    parser.add_argument(
        "--part", nargs="+", choices=list(PARTS), default=["hop"], help=_choices(PARTS)
    )
    parser.add_argument(
        "--run", type=Path, metavar="FOLDER", help="the bundles' training run, for the floor"
    )
    _turns(parser)
    _output(parser)


def _throughput(parser: argparse.ArgumentParser) -> None:
    _bundles(parser)
    _matrix(parser)
    parser.add_argument(
        "--batch", nargs="+", type=positive_int, default=[1, 8], help="windows in a call"
    )
    _turns(parser)
    _output(parser)


def _streams(parser: argparse.ArgumentParser) -> None:
    _bundles(parser)
    _matrix(parser)
    _simulation(parser)
    parser.add_argument(
        "--streams", nargs="+", type=positive_int, default=[1, 2, 4, 8], help="how many at once"
    )
    parser.add_argument("--rounds", type=positive_int, default=1, help="times each is simulated")
    parser.add_argument(
        "--find-max-streams", action="store_true", help="search for the largest number within --p95"
    )
    _cores(parser)
    _output(parser)


def _simulation(parser: argparse.ArgumentParser) -> None:
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


def _peers(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", type=Path, help="training run or checkpoint: the network")
    _bundles(parser, "exported from it: one of fp32, others as you like")
    parser.add_argument("--peer", nargs="+", default=[], help="only these (default: all)")
    _matrix(parser)
    parser.add_argument("--no-floor", action="store_true", help="leave out the arithmetic floor")
    _turns(parser)
    _output(parser)


def _gpu(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", type=Path, help="training run or checkpoint: the network")
    _bundles(parser, "exported from it: fp32, fp16")
    parser.add_argument("--peer", nargs="+", default=[], help="only these (default: all)")
    parser.add_argument(
        "--provider",
        nargs="+",
        choices=["cuda", "tensorrt"],
        default=["cuda", "tensorrt"],
        help="where bundles run (default: both)",
    )
    _matrix(parser, devices=False)
    _simulation(parser)
    _turns(parser)
    _output(parser, "results/DATE-MACHINE.json under benchmarks/, else here")


def _fleet(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--streams", nargs="+", type=positive_int, default=[1000, 1_000_000], help="how many")
    add("--per-core", type=amount, required=True, metavar="N", help="streams that one core holds")
    add("--process-mb", type=amount, required=True, metavar="MB", help="of a process, one a core")
    add("--stream-mb", type=amount, required=True, metavar="MB", help="of each stream")
    add("--utilisation", type=share, default=0.65, help="share of a core to fill (%(default)s)")
    add(
        "--upload",
        type=amount,
        default=32.0,
        metavar="KB_S",
        help="from a client, in kB/s (%(default)s: 16-bit PCM at 16 kHz)",
    )
    add(
        "--download",
        type=amount,
        default=1.0,
        metavar="KB_S",
        help="to a client, in kB/s (%(default)s)",
    )
    add("--price", type=amount, help="of a core hour, in any currency")


def _agreement(parser: argparse.ArgumentParser) -> None:
    _bundles(parser, "to compare, with the first or with --reference")
    parser.add_argument(
        "--reference", metavar="MODEL", help="bundle or training run to compare with"
    )
    parser.add_argument(
        "--data", type=Path, metavar="CSV", help="manifest of clips (default: the bundled sample)"
    )
    parser.add_argument("--split", help="only clips of this split of the manifest")
    parser.add_argument(
        "--clips", type=positive_int, default=500, help="most clips, drawn evenly (default: 500)"
    )
    parser.add_argument(
        "--through", choices=list(THROUGH), default="window", help=_choices(THROUGH)
    )
    parser.add_argument("--window", type=seconds, default=3.0, help="in seconds (default: 3)")
    parser.add_argument("--hop", type=seconds, default=0.5, help="in seconds (default: 0.5)")
    parser.add_argument("--threads", type=positive_int, default=1, help="(default: 1)")
    parser.add_argument("--provider", choices=list(PROVIDERS), default="cpu")
    _output(parser)


def _report(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "results", type=Path, nargs="+", help="JSON of ser-bench, or of pytest-benchmark"
    )
    parser.add_argument(
        "--html", type=new_file, metavar="FILE", help="write one HTML page with plots"
    )
    parser.add_argument("--markdown", type=new_file, metavar="FILE", help="write Markdown tables")
    parser.add_argument(
        "--page", type=Path, metavar="FILE", help="put short tables between a page's speed marks"
    )
    parser.add_argument(
        "--readme", type=Path, metavar="FILE", help="put one small table there instead"
    )


def _bundles(parser: argparse.ArgumentParser, what: str = "to measure") -> None:
    parser.add_argument(
        "--bundle",
        nargs="+",
        default=None,
        metavar="BUNDLE",
        help=f"folders or built-in names {what}",
    )


def _matrix(parser: argparse.ArgumentParser, *, devices: bool = True) -> None:
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


def _turns(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rounds", type=positive_int, default=10, help="turns (default: 10)")
    parser.add_argument(
        "--steps", type=positive_int, default=3, help="timed steps in a turn (default: 3)"
    )
    parser.add_argument("--warmup", type=whole, default=1, help="rounds before (default: 1)")
    parser.add_argument(
        "--cold-starts", type=positive_int, default=1, help="processes started (default: 1)"
    )
    parser.add_argument("--compare-to", metavar="NAME", help="row that ratios refer to")
    _cores(parser)


def _cores(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--cores", type=whole, default=0, help="keep workers on so many cores; 0 for all"
    )
    parser.add_argument(
        "--timeout", type=seconds, default=900.0, help="longest wait for one turn in seconds"
    )
    parser.add_argument("--seed", type=whole, default=0, help="of the order of turns")


def _output(parser: argparse.ArgumentParser, default: str = "printed only") -> None:
    parser.add_argument(
        "--json",
        type=new_file,
        metavar="FILE",
        help=f"write the result, - to print it instead of tables (default: {default})",
    )
    parser.add_argument("--machine", metavar="NAME", help="name of this machine in the result")


def _choices(table: dict[str, str]) -> str:
    return "; ".join(f"{name}: {text}" for name, text in table.items())
