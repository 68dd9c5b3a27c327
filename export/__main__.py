"""`ser-export`: freezes a trained network into a bundle."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from ser_rt.errors import ConfigError, SerError


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


def run(args: argparse.Namespace) -> None:
    """Export, one line a stage."""
    evaluation = None
    if args.evaluation:
        try:
            evaluation = json.loads(args.evaluation.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            msg = f"cannot read --evaluation {args.evaluation}: {error}"
            raise ConfigError(msg) from error
    if args.temperature is not None and not args.temperature > 0:
        msg = f"--temperature must be greater than 0, not {args.temperature}"
        raise ConfigError(msg)
    from .bundle import export_bundle

    export_bundle(
        args.checkpoint,
        args.out,
        precision=args.precision,
        name=args.name,
        version=args.model_version,
        temperature=args.temperature,
        evaluation=evaluation,
        report=lambda line: print(line, file=sys.stderr, flush=True),
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; 0 when written, 1 on an error, 2 on a wrong command line."""
    args = parse_args(argv)
    try:
        run(args)
    except SerError as error:
        print(f"ser-export: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
