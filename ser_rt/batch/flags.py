"""Flags of ``ser-batch``; those of a stream are shared with ``ser-stream``."""

from __future__ import annotations

import argparse

from ser_rt.batch.engines import ENGINES
from ser_rt.cli.arguments import Parser
from ser_rt.runtime.flags import add_embedding_flag, add_model_flags, add_stream_flags

_EPILOG = """\
examples:
  ser-batch recordings/ --out result
  ser-batch 'calls/**/*.wav' clips.csv s3://bucket/2026/ --out result --workers 8
  ser-batch clips.parquet --out result --engine ray --address 10.0.0.5:6379

OUT gets windows/ and files/, both Parquet, and summary.json; docs/batch.md has the columns. A run
that was stopped or killed goes on where it was when it is started again. A file that cannot be
decoded is a row with an error. The exit code is 0; 1 if the run failed, or no file at all could be
decoded; 2 for a wrong command line; 130 after Ctrl-C, 143 after SIGTERM,
129 after SIGHUP.
"""


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of ``ser-batch``."""
    parser = Parser(
        prog="ser-batch",
        description="Classify emotion in a corpus of recordings, into Parquet.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument_group("inputs and output").add_argument
    add(
        "inputs",
        nargs="+",
        metavar="INPUT",
        help="audio files, folders, globs, tables with a file_path column (.csv, .jsonl, "
        ".parquet), or URLs of these (s3://, gs://, https://, zip://, ...)",
    )
    add("--out", required=True, metavar="DIR", help="folder to write, or to go on with")
    add("--overwrite", action="store_true", help="discard what --out holds and begin again")
    add("--retry-errors", action="store_true", help="classify files with errors again")
    add("--max-duration", type=float, metavar="S", help="longer files are errors from there on")
    add(
        "--stall-timeout",
        type=float,
        default=300.0,
        metavar="S",
        help="seconds without progress after which a file is given up (%(default)g)",
    )
    add = parser.add_argument_group("where to run").add_argument
    add("--engine", choices=tuple(ENGINES), default="local", help="(%(default)s)")
    add(
        "--workers",
        type=int,
        metavar="N",
        help="processes or actors (one for each core; of GPUs one, with Ray one for each)",
    )
    add("--address", metavar="HOST:PORT", help="of a Ray cluster, or auto (one is started here)")
    add(
        "--commit-every",
        type=float,
        default=30.0,
        metavar="S",
        help="seconds of work that a kill can lose at most (%(default)s)",
    )
    model = parser.add_argument_group("model")
    add_model_flags(model, threads="threads of one worker (1)")
    add_embedding_flag(model, "a column with the embedding of each window and turn")
    add_stream_flags(parser)
    add = parser.add_argument_group("other").add_argument
    add("--quiet", "-q", action="store_true", help="no progress and no summary on standard error")
    return parser
