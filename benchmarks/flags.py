"""The flags of ``ser-bench``, and their checks."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import fields
from pathlib import Path

from ser_rt.benchmarks import flag_groups as groups
from ser_rt.benchmarks.flag_groups import amount, seconds, share
from ser_rt.benchmarks.measure.variant import RATE_HZ
from ser_rt.bundle import DEFAULT_BUNDLE
from ser_rt.checks import add_flags
from ser_rt.cli.arguments import Parser, new_folder, positive_int, replaced_file
from ser_rt.cli.idle import given_in, refuse_idle
from ser_rt.config import DataConfig
from ser_rt.errors import ConfigError
from ser_rt.runtime.backends.providers import PROVIDERS

PARTS = {
    "hop": "one result of a stream, through ser-rt's engine",
    "window": "one call of the model with a whole window",
}
THROUGH = {
    "window": "the model, window by window",
    "stream": "the engine, as a stream of chunks",
    "both": "the engine twice: whole windows, and hop by hop with caches if the bundle streams",
}


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = Parser(prog="ser-bench", description=__doc__.replace("\n", " "))
    parser.description = "Measure the cost of streams here, how many fit, and other libraries."
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _latency(commands.add_parser("latency", help="cost of a hop and of a window"))
    _throughput(commands.add_parser("throughput", help="windows per second, files × real time"))
    _streams(commands.add_parser("streams", help="live streams at once, and how many fit"))
    _peers(commands.add_parser("peers", help="the same network in other libraries"))
    _full_size(commands.add_parser("full-size", help="peers, with a network of 317 M parameters"))
    _gpu(commands.add_parser("gpu", help="everything on this machine's NVIDIA GPU, in one run"))
    _fleet(commands.add_parser("fleet", help="what many streams need, from the load of one core"))
    _agreement(commands.add_parser("agreement", help="whether bundles return the same emotions"))
    _quality(commands.add_parser("quality", help="how often models are right, and others"))
    _report(commands.add_parser("report", help="results as one HTML page and Markdown tables"))
    flags = parser.parse_args(argv)
    refuse_idle(given_in(commands.choices[flags.command], argv), _rules(flags))
    return flags


def _rules(flags: argparse.Namespace) -> Iterator[tuple[object, str, str]]:
    """Yield what flags of a command need, as `refuse_idle` takes it."""
    if flags.command == "streams":
        for name in ("streams", "rounds"):
            yield not flags.find_max_streams, name, "does nothing with --find-max-streams"
        for name in ("p95", "lost", "limit"):
            yield flags.find_max_streams, name, "needs --find-max-streams"
    elif flags.command == "agreement":
        for name in ("split", "clips", "same_labels"):
            yield flags.data, name, "needs --data"
    elif flags.command == "quality":
        yield flags.model, "labels", "needs --model: others have our labels"


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
    groups.bundles(parser)
    groups.matrix(parser)
    parser.add_argument(
        "--part", nargs="+", choices=list(PARTS), default=["hop"], help=_choices(PARTS)
    )
    parser.add_argument(
        "--floor", action="store_true", help="also how far each row is from the arithmetic floor"
    )
    groups.turns(parser)
    groups.output(parser)


def _throughput(parser: argparse.ArgumentParser) -> None:
    groups.bundles(parser)
    groups.matrix(parser)
    parser.add_argument(
        "--batch", nargs="+", type=positive_int, default=[1, 8], help="windows in a call"
    )
    groups.turns(parser)
    groups.output(parser)


def _streams(parser: argparse.ArgumentParser) -> None:
    groups.bundles(parser)
    groups.matrix(parser)
    groups.simulation(parser)
    parser.add_argument(
        "--streams", nargs="+", type=positive_int, default=[1, 2, 4, 8], help="how many at once"
    )
    parser.add_argument("--rounds", type=positive_int, default=1, help="times each is simulated")
    parser.add_argument(
        "--find-max-streams", action="store_true", help="search for the largest number within --p95"
    )
    groups.cores(parser)
    groups.output(parser)


def _peers(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", type=Path, help="training run or checkpoint: the network")
    groups.bundles(parser, "exported from it: one of fp32, others as you like")
    groups.side_by_side(parser)


def _full_size(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--work",
        type=new_folder,
        default=Path("full-size"),
        metavar="FOLDER",
        help="networks and their bundles, 5 GB; kept for the next run (default: %(default)s)",
    )
    add("--scale", choices=["full", "tiny"], default="full", help="tiny: to try the command out")
    groups.side_by_side(parser)
    parser.set_defaults(provider=["cpu", "openvino"])


def _gpu(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", type=Path, help="training run or checkpoint: the network")
    groups.bundles(parser, "exported from it: fp32, fp16")
    parser.add_argument("--peer", nargs="+", default=[], help="only these (default: all)")
    parser.add_argument(
        "--provider",
        nargs="+",
        choices=["cuda", "tensorrt"],
        default=["cuda", "tensorrt"],
        help="where bundles run (default: both)",
    )
    groups.matrix(parser, devices=False)
    groups.simulation(parser)
    groups.turns(parser)
    groups.output(parser, "results/DATE-MACHINE.json under benchmarks/, else here")


def _fleet(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--streams", nargs="+", type=positive_int, default=[1000, 1_000_000], help="how many")
    add("--per-core", type=amount, required=True, metavar="N", help="streams that one core holds")
    add("--process-mb", type=amount, required=True, metavar="MB", help="of a process, one a core")
    add("--stream-mb", type=amount, required=True, metavar="MB", help="of each stream")
    add("--bundle", metavar="BUNDLE", help="adds to that the caches of a network that streams")
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
    groups.bundles(parser, "to compare, with the first or with --reference")
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
    add_flags(parser.add_argument, DataConfig, only=("same_labels",))
    parser.add_argument(
        "--through", choices=list(THROUGH), default="window", help=_choices(THROUGH)
    )
    parser.add_argument("--window", type=seconds, default=3.0, help="in seconds (default: 3)")
    parser.add_argument("--hop", type=seconds, default=0.5, help="in seconds (default: 0.5)")
    parser.add_argument("--threads", type=positive_int, default=1, help="(default: 1)")
    parser.add_argument("--provider", choices=list(PROVIDERS), default="cpu")
    groups.output(parser)


def _quality(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("corpus", type=Path, help="manifest of clips, or the folder that holds manifest.csv")
    add("--split", default="train", help="to train peers on (default: %(default)s)")
    add("--val-split", default="val", help="to judge on (default: %(default)s)")
    only = {each.name for each in fields(DataConfig)} - {"same_labels"}
    add_flags(add, DataConfig, leave_out=only)
    add(
        "--emotion-labels",
        nargs="+",
        metavar="NAME",
        help=f"to judge (default: those of {DEFAULT_BUNDLE})",
    )
    groups.bundles(parser, "or training runs, to judge (default: all that are built in)")
    add("--peer", nargs="+", default=[], help="only these (default: all)")
    add(
        "--model",
        nargs="+",
        default=[],
        metavar="NAME",
        help="audio-classification models of transformers, by hub name or folder",
    )
    add(
        "--labels",
        default="",
        metavar="LABEL=EMOTION,...",
        help="emotions that the models' labels stand for: happy=Joy,sad=Sad",
    )
    add(
        "--no-new-corpora",
        action="store_true",
        help="train once, and not again without each corpus",
    )
    groups.output(parser, "results/DATE-quality.json under benchmarks/, else here")


def _report(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "results", type=Path, nargs="+", help="JSON of ser-bench, or of pytest-benchmark"
    )
    parser.add_argument(
        "--html", type=replaced_file, metavar="FILE", help="write one HTML page with plots"
    )
    parser.add_argument(
        "--markdown", type=replaced_file, metavar="FILE", help="write Markdown tables"
    )
    parser.add_argument(
        "--page", type=Path, metavar="FILE", help="put short tables between a page's speed marks"
    )
    parser.add_argument(
        "--readme",
        type=Path,
        metavar="FILE",
        help="put one small table between a README's speed marks",
    )


def _choices(table: dict[str, str]) -> str:
    return "; ".join(f"{name}: {text}" for name, text in table.items())
