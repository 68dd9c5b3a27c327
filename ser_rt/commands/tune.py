"""``ser-tune``: settings of a stream that fulfil a wish, found on labelled streams."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ser_rt.cli.arguments import Parser, positive_int, replaced_file
from ser_rt.cli.idle import given_in, refuse_idle
from ser_rt.cli.process import EXIT_FAILED, EXIT_OK, run_command, tell, tell_replaced
from ser_rt.errors import ConfigError
from ser_rt.files.names import printable

if TYPE_CHECKING:
    from ser_rt.judging.tuning import Grid, Trial, Tuner
    from ser_rt.judging.wish import Wish

_EPILOG = """\
example:
  ser-tune --manifest mine.csv --max-delay 2 --max-false-changes 1 -o tuned.toml
  ser-stream --config tuned.toml call.wav

The exit code is 0 if the wish is fulfilled, and 1 if not; then the nearest settings are shown, and
nothing is written but the report.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``ser-tune``; return 0, 1 (failed, or the wish cannot be fulfilled) or 2 (usage)."""
    return run_command("ser-tune", lambda: _tune(_parse(argv)))


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    from ser_rt.checks import add_flags
    from ser_rt.judging.command import add_source_flags
    from ser_rt.judging.idle import made_rules
    from ser_rt.judging.wish import Wish
    from ser_rt.runtime.flags import add_model_flags

    parser = Parser(
        prog="ser-tune",
        description="Find settings of a stream that fulfil a wish.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_model_flags(parser.add_argument_group("model"))
    add = parser.add_argument
    add("--manifest", required=True, help="a CSV with file_path, emotion, speaker and perhaps more")
    add("--split", help="only the manifest's clips of this split, such as train")
    add("--report-split", metavar="SPLIT", help="also judge what is found on this split")
    add("--dataset", nargs="+", default=(), metavar="NAME", help="only these datasets")
    add("--same-labels", nargs="+", default=(), metavar="NAME", help="as of ser-evaluate")
    add_source_flags(parser)
    add_flags(parser.add_argument_group("the wish: limits of figures").add_argument, Wish)
    search = parser.add_argument_group("the search").add_argument
    search("--trials", type=positive_int, default=200, metavar="N", help="(%(default)s)")
    for name, what in (("windows", "windows in s"), ("hops", "hops in s"), ("gates", "gates")):
        search(
            f"--{name}",
            type=float,
            nargs="+",
            default=(),
            metavar="X",
            help=f"{what} to try; the network runs anew for each (the model's)",
        )
    search("--fix-unsure", type=float, metavar="P", help="name nothing below P in all (searched)")
    output = parser.add_argument_group("output").add_argument
    output(
        "--output", "-o", type=replaced_file, metavar="FILE.toml", help="for ser-stream --config"
    )
    output("--report", type=replaced_file, metavar="FILE.html", help="the trade-off as a page")
    output("--profile", metavar="NAME", help="store in the bundle: calm, quick, default, ...")
    output(
        "--calibrate",
        choices=("all", "shape"),
        help="then fit the confidence to seconds of speech, store it with --profile: all; or "
        "shape, for speakers that the model was trained on, which leaves the mean as it is",
    )
    options = parser.parse_args(argv)
    needs_profile = "needs --profile: a configuration file holds no temperatures"
    rules = [(options.profile, "calibrate", needs_profile), *made_rules(options)]
    refuse_idle(given_in(parser, argv), rules)
    return options


def _tune(options: argparse.Namespace) -> int:
    from ser_rt.bundle import find_bundle, write_profile
    from ser_rt.checks import from_flags
    from ser_rt.files.writing import write_bytes
    from ser_rt.judging.trade_off import comparison, page, trade_off_table
    from ser_rt.judging.tuning import Grid
    from ser_rt.judging.wish import Wish
    from ser_rt.profiles import Profile
    from ser_rt.tables import text_table

    wish = from_flags(Wish, options)
    _check_profile(options)
    grid = Grid(options.windows, options.hops, options.gates, options.fix_unsure)
    tuner = _tuner(options, grid)
    if options.calibrate is not None:
        tuner.temperatures = {}
    best = tuner.search(wish, options.trials, options.seed)
    if options.calibrate is not None:
        tuner.calibrate(best.profile, shape_only=options.calibrate == "shape")
        best = tuner.judge(best.profile)
    broken = wish.broken(best.score.figures)
    rows = {f"without ({options.split or 'all'})": tuner.judge(Profile()), "found": best}
    if options.report_split:
        rows |= _on_others(options, best, tuner.temperatures)
    found = [comparison(rows), trade_off_table(tuner.trade_off())]
    print("\n\n".join(map(text_table, found)))
    print(f"\n{best.profile.to_toml()}", end="")
    if options.report is not None:
        tell_replaced(options.report)
        write_bytes(options.report, page(tuner, best, found, _words(wish)).encode())
    if broken:
        shown = ", ".join(sorted(broken))
        tell(f"ser-tune: no settings of {options.trials} fulfil {shown}; these come nearest")
        return EXIT_FAILED
    if options.output is not None:
        tell_replaced(options.output)
        head = f"# ser-tune: {_words(wish)}\n"
        write_bytes(options.output, (head + best.profile.to_toml()).encode())
        tell(f"ser-tune: wrote {printable(options.output)}")
    if options.profile is not None:
        folder = find_bundle(options.model)
        write_profile(folder, options.profile, best.profile, tuner.temperatures)
        tell(f"ser-tune: stored profile {options.profile} in {printable(folder)}")
    return EXIT_OK


def _check_profile(options: argparse.Namespace) -> None:
    """Find out whether a profile could be stored, before the search for it."""
    from ser_rt.bundle import find_bundle
    from ser_rt.files.writing import check_writable
    from ser_rt.manifest import MANIFEST_FILE

    if options.profile is None:
        return
    if not options.profile.isidentifier():
        msg = f"profile must be a name of letters and digits, not {options.profile!r}"
        raise ConfigError(msg)
    check_writable(find_bundle(options.model) / MANIFEST_FILE)


def _tuner(options: argparse.Namespace, grid: Grid | None = None) -> Tuner:
    from ser_rt.bundle import Bundle, find_bundle
    from ser_rt.judging.command import streams_of
    from ser_rt.judging.truth import Omissions
    from ser_rt.judging.tuning import Grid, Tuner
    from ser_rt.profiles import Profile
    from ser_rt.runtime.stream import load

    profiles = Bundle.load(find_bundle(options.model)).profiles
    classifier = load(
        *(options.model, options.provider, options.threads),
        streaming=options.streaming,
        profile=Profile(),
    )
    omissions = Omissions()
    streams, _ = streams_of(options, classifier, omissions)
    made = list(streams)
    for why, count, example in omissions.rows():
        tell(f"ser-tune: left out: {count} {why}, such as {example}")
    return Tuner(classifier, made, grid or Grid(), tuple(profiles.values()))


def _on_others(
    options: argparse.Namespace, best: Trial, temperatures: Mapping[float, float]
) -> dict[str, Trial]:
    from ser_rt.profiles import Profile

    others = argparse.Namespace(**vars(options) | {"split": options.report_split})
    tuner = _tuner(others)
    tuner.temperatures = temperatures
    network = {
        name: value
        for name, value in best.profile.to_dict().items()
        if name in {"window_s", "hop_s", "gate_threshold"}
    }
    return {
        f"without ({options.report_split})": tuner.judge(Profile(**network)),
        f"found ({options.report_split})": tuner.judge(best.profile),
    }


def _words(wish: Wish) -> str:
    limits = {name: value for name, value in vars(wish).items() if value is not None}
    words = ", ".join(f"{name.replace('_', ' ')} {value:g}" for name, value in limits.items())
    return words or "the lowest error rate"


if __name__ == "__main__":
    sys.exit(main())
