"""``ser-batch``: classifies a corpus of recordings into Parquet."""

from __future__ import annotations

import sys
from argparse import ArgumentTypeError
from collections.abc import Sequence

from ser_rt.batch.flags import make_parser
from ser_rt.checks import above, at_least, require
from ser_rt.cli.arguments import new_folder
from ser_rt.cli.idle import given_in, refuse_idle, stream_rules
from ser_rt.cli.process import run_command
from ser_rt.errors import ConfigError, requires


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``ser-batch``; return 0, 1 (failed), 2 (usage), or `code_of` an interrupt."""
    return run_command("ser-batch", lambda: _work(argv))


def _work(argv: Sequence[str] | None) -> int:
    parser = make_parser()
    flags = parser.parse_intermixed_args(argv)
    refuse_idle(
        given_in(parser, argv),
        (
            (flags.engine == "ray", "address", "needs --engine ray"),
            (not flags.overwrite, "retry_errors", "does nothing with --overwrite: all begins anew"),
            *((flags.turns, dest, "needs --turns") for dest in ("turn_pause", "longest_turn")),
            *stream_rules(flags),
        ),
    )
    if "://" in flags.out:
        msg = f"--out {flags.out} is a URL; name a folder of this machine and copy it afterwards"
        raise ConfigError(msg)
    try:
        new_folder(flags.out)
    except ArgumentTypeError as error:
        msg = f"--out: {error}"
        raise ConfigError(msg) from error
    for name in ("workers", "threads", "max_duration", "stall_timeout"):
        require(f"--{name.replace('_', '-')}", getattr(flags, name), above(0))
    if flags.channels is not None:
        msg = f"--channels {flags.channels} is of raw PCM, which no batch reads; give split, or mix"
        raise ConfigError(msg)
    require("--commit-every", flags.commit_every, at_least(0))
    with requires("ser-batch", "batch"):
        from ser_rt.batch.run import run_batch
    return run_batch(flags)


if __name__ == "__main__":
    sys.exit(main())
