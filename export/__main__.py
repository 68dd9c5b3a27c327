"""`ser-export`: freezes a trained network into a bundle, after comparing the two on real speech.

Standard error has a line for each stage: seconds, peak memory in MB, and the result.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

from ser_rt.cli.arguments import Parser, new_folder, positive_int
from ser_rt.cli.idle import given_in, refuse_idle
from ser_rt.cli.process import run_command, tell_replaced
from ser_rt.export.settings import ExportSettings
from ser_rt.manifest import MANIFEST_FILE


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line; the names and defaults are those of `ExportSettings`."""
    parser = Parser(
        prog="ser-export",
        description=__doc__,
        epilog="exit codes: 0 written, 1 an error or a failed gate (nothing is written), "
        "2 a wrong command line",
    )
    parser.set_defaults(**{field.name: field.default for field in fields(ExportSettings)})
    parser.add_argument(
        "checkpoint",
        type=Path,
        help="folder that ser-train wrote, or a bundle to write at another precision: a folder, or "
        "the name of a built-in one",
    )
    parser.add_argument(
        "--out", type=new_folder, required=True, metavar="BUNDLE", help="folder to write"
    )
    parser.add_argument(
        "--precision",
        help="fp32, fp16 (for GPUs, half the size) or int8 (for CPUs, a quarter), "
        "default: %(default)s",
    )
    parser.add_argument(
        "--layers", type=positive_int, metavar="N", help="keep the first N transformer layers"
    )
    parser.add_argument(
        "--window",
        type=float,
        dest="window_s",
        metavar="S",
        help="default window of the bundle in seconds, default: that of the bundle exported, or 3",
    )
    parser.add_argument(
        "--hop",
        type=float,
        dest="hop_s",
        metavar="S",
        help="default hop of a network that streams, 0.1 to 1 s (default: its chunk_frames)",
    )
    parser.add_argument(
        "--windows-only",
        action="store_true",
        help="leave out stream.onnx of a network that streams",
    )
    parser.add_argument("--opset", type=int, help="of ONNX, default: %(default)s")
    parser.add_argument(
        "--gates",
        help="strict: a failed gate writes nothing; report: it is noted in the manifest, "
        "default: %(default)s",
    )
    parser.add_argument(
        "--data",
        type=Path,
        metavar="MANIFEST",
        help="CSV with file_path and emotion: speech for the gates and for calibrating int8 "
        "(default: the bundled sample)",
    )
    parser.add_argument(
        "--clips",
        type=positive_int,
        metavar="N",
        help="use at most this many clips of --data for the gates, default: %(default)s",
    )
    parser.add_argument(
        "--push-triton",
        type=new_folder,
        metavar="DIR",
        help="add it to this Triton model repository",
    )
    parser.add_argument(
        "--triton-backend",
        metavar="NAME",
        help="onnxruntime (with TensorRT on GPUs) or python (on the CPU), default: %(default)s",
    )
    parser.add_argument("--name", help="of the model (default: the bundle folder's)")
    parser.add_argument(
        "--model-version",
        dest="version",
        metavar="VERSION",
        help="default: that of the bundle exported, or 1.0.0",
    )
    temperature = parser.add_mutually_exclusive_group()
    temperature.add_argument("--temperature", type=float, help="instead of the checkpoint's")
    temperature.add_argument(
        "--temperature-from",
        type=Path,
        nargs="+",
        metavar="EVALUATION",
        help="the one that fits corpora left out of training: each an evaluation.json of "
        "ser-evaluate, or a folder of several",
    )
    parser.add_argument(
        "--evaluation", type=Path, metavar="JSON", help="scores of ser-evaluate for the manifest"
    )
    parser.add_argument(
        "--notice", metavar="TEXT", help="a sentence or two about the model that users are shown"
    )
    options = parser.parse_args(argv)
    refuse_idle(
        given_in(parser, argv),
        (
            (options.data, "clips", "needs --data: it counts that manifest's clips"),
            (options.push_triton, "triton_backend", "needs --push-triton"),
        ),
    )
    return options


def run(args: argparse.Namespace) -> int:
    """Export, with a line for each stage."""
    from ser_rt.evaluation.left_out import judge
    from ser_rt.export.bundle import STAGES, export_bundle
    from ser_rt.export.evaluation import read_figures
    from ser_rt.export.progress import shown

    given = vars(args).copy()
    checkpoint, out = given.pop("checkpoint"), given.pop("out")
    evaluations = given.pop("temperature_from")
    if args.evaluation:
        given["evaluation"] = read_figures(args.evaluation)
    if evaluations:
        judged = judge(evaluations)
        given["temperature"] = judged.temperature
        given["evaluation"] = (given["evaluation"] or {}) | {"left_out_corpora": judged.to_dict()}
    settings = ExportSettings(**given)
    tell_replaced(out, MANIFEST_FILE)
    with shown(STAGES) as stages:
        export_bundle(checkpoint, out, settings, stages)
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; 0 when written, 1 on an error, 2 on a wrong command line."""
    return run_command("ser-export", lambda: run(parse_args(argv)))


if __name__ == "__main__":
    sys.exit(main())
