"""`ser-export`: freezes a trained network into a bundle, and proves the two equal.

One line a stage goes to standard error: seconds, peak memory in MB, and what was done.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from ser_rt.cli.arguments import Parser, new_folder, positive_int
from ser_rt.cli.process import run_command


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = Parser(
        prog="ser-export",
        description=__doc__,
        epilog="exit codes: 0 written, 1 an error or a failed gate (nothing is written), "
        "2 a wrong command line",
    )
    parser.add_argument("checkpoint", type=Path, help="folder that ser-train wrote")
    parser.add_argument(
        "--out", type=new_folder, required=True, metavar="BUNDLE", help="folder to write"
    )
    parser.add_argument(
        "--precision",
        default="fp32",
        help="fp32 (the default), fp16 (for GPUs, half the size), int8 (for CPUs, a quarter)",
    )
    parser.add_argument(
        "--layers", type=positive_int, metavar="N", help="keep the first N transformer layers"
    )
    parser.add_argument(
        "--window", type=float, default=3.0, metavar="S", help="heard at once, default: %(default)s"
    )
    parser.add_argument("--opset", type=int, default=20, help="of ONNX, default: %(default)s")
    parser.add_argument(
        "--gates",
        default="strict",
        help="strict (the default): a failed gate writes nothing; report: it is noted in the "
        "manifest",
    )
    parser.add_argument(
        "--data",
        type=Path,
        metavar="MANIFEST",
        help="CSV with file_path and emotion: speech to judge on and to calibrate int8 with "
        "(default: the bundled sample)",
    )
    parser.add_argument(
        "--clips",
        type=positive_int,
        default=200,
        metavar="N",
        help="how many clips of --data to judge on at most, default: %(default)s",
    )
    parser.add_argument(
        "--push-triton",
        type=new_folder,
        metavar="DIR",
        help="add it to this Triton model repository",
    )
    parser.add_argument(
        "--triton-backend",
        default="onnxruntime",
        metavar="NAME",
        help="onnxruntime (the default, with TensorRT on GPUs) or python (on the processor)",
    )
    parser.add_argument("--name", help="of the model (default: the bundle folder's)")
    parser.add_argument("--model-version", default="1.0.0")
    parser.add_argument("--temperature", type=float, help="instead of the checkpoint's")
    parser.add_argument(
        "--evaluation", type=Path, metavar="JSON", help="figures of ser-evaluate for the manifest"
    )
    return parser.parse_args(argv)


def run(args: argparse.Namespace) -> int:
    """Export, one line a stage."""
    from ser_rt.export.bundle import STAGES, ExportSettings, export_bundle
    from ser_rt.export.evaluation import read_figures
    from ser_rt.export.progress import shown

    settings = ExportSettings(
        precision=args.precision,
        layers=args.layers,
        window_s=args.window,
        opset=args.opset,
        gates=args.gates,
        data=args.data,
        clips=args.clips,
        push_triton=args.push_triton,
        triton_backend=args.triton_backend,
        name=args.name,
        version=args.model_version,
        temperature=args.temperature,
        evaluation=read_figures(args.evaluation) if args.evaluation else None,
    )
    with shown(STAGES) as stages:
        export_bundle(args.checkpoint, args.out, settings, stages)
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; 0 when written, 1 on an error, 2 on a wrong command line."""
    return run_command("ser-export", lambda: run(parse_args(argv)))


if __name__ == "__main__":
    sys.exit(main())
