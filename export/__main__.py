"""`ser-export`: freezes a trained network into a bundle."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from ser_rt.errors import ConfigError
from ser_rt.utils import run_command


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog="ser-export", description=__doc__)
    parser.add_argument("checkpoint", type=Path, help="folder that ser-train wrote")
    parser.add_argument("--out", type=Path, required=True, metavar="BUNDLE", help="folder to write")
    parser.add_argument("--precision", default="fp32", help="fp32 (the default)")
    parser.add_argument("--name", help="of the model (default: the bundle folder's)")
    parser.add_argument("--model_version", default="1.0.0")
    parser.add_argument("--temperature", type=float, help="instead of the checkpoint's")
    parser.add_argument(
        "--evaluation", type=Path, metavar="JSON", help="figures of ser-evaluate for the manifest"
    )
    return parser.parse_args(argv)


def run(args: argparse.Namespace) -> int:
    """Export, one line a stage."""
    if args.temperature is not None and not args.temperature > 0:
        msg = f"--temperature must be greater than 0, not {args.temperature}"
        raise ConfigError(msg)
    from .bundle import export_bundle
    from .evaluation import read_figures

    export_bundle(
        args.checkpoint,
        args.out,
        precision=args.precision,
        name=args.name,
        version=args.model_version,
        temperature=args.temperature,
        evaluation=read_figures(args.evaluation) if args.evaluation else None,
        report=lambda line: print(line, file=sys.stderr, flush=True),
    )
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; 0 when written, 1 on an error, 2 on a wrong command line."""
    args = parse_args(argv)
    return run_command("ser-export", lambda: run(args))


if __name__ == "__main__":
    sys.exit(main())
