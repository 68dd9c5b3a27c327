"""`ser-train`: fine-tunes a network on a folder or a manifest of labelled clips."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ser_rt import config
from ser_rt.checks import add_flags
from ser_rt.cli.arguments import Parser, new_folder
from ser_rt.cli.idle import given_in, refuse_idle
from ser_rt.cli.process import run_command, tell
from ser_rt.errors import ConfigError, DataError
from ser_rt.files.names import printable
from ser_rt.training.idle import setting_rules
from ser_rt.training.presets import PRESETS, Preset, copy_preset, learning_on
from ser_rt.utils import setup_logging

if TYPE_CHECKING:
    from ser_rt.networks.start import Start
    from ser_rt.training.data.corpus import Clip

logger = logging.getLogger(__name__)

_OF_TABLE = ("split", "val_split", "leave_out", "licence_class", "hold_out")
_NO_FLAGS = {"output_dir", "sample_rate", "encoder_config"}


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = Parser(prog="ser-train", description=__doc__)
    data = parser.add_mutually_exclusive_group(required=True)
    data.add_argument("--data-dir", type=Path, help="folder with one folder for each emotion")
    data.add_argument("--manifest", type=Path, help="CSV with file_path, emotion and more columns")
    parser.add_argument("--split", help="train only on this split of the manifest")
    parser.add_argument("--val-split", help="validate on this split of the manifest")
    parser.add_argument("--licence-class", help="use only clips of this licence class")
    parser.add_argument(
        "--hold-out",
        nargs="+",
        default=[],
        metavar="SPEAKER",
        help="validate on these speakers, also as DATASET/SPEAKER",
    )
    parser.add_argument(
        "--leave-out",
        nargs="+",
        default=[],
        metavar="DATASET",
        help="use no clip of these datasets, so that the model can be judged on them",
    )
    parser.add_argument(
        "--preset",
        choices=PRESETS,
        help="settings to start from; default: those of ser_rt.config, or for learning on",
    )
    parser.add_argument("--output-dir", type=new_folder, help="run folder (default: ./results)")
    parser.add_argument("--resume", action="store_true", help="resume the run in output_dir")
    settings = parser.add_argument_group("settings, instead of the preset's")
    for owner in (config.ModelConfig, config.TrainingConfig, config.DataConfig):
        add_flags(settings.add_argument, owner, leave_out=_NO_FLAGS, with_defaults=False)
    args = parser.parse_args(argv)
    if args.val_split and args.hold_out:
        parser.error("--val-split and --hold-out both choose the clips to validate on: give one")
    args.given = given_in(parser, argv)
    refuse_idle(
        args.given,
        (
            *((args.manifest, dest, "needs --manifest: folders do not say") for dest in _OF_TABLE),
            (not args.hold_out, "val_share", "does nothing with --hold-out, which validates"),
            (not args.val_split, "val_share", "does nothing with --val-split, which validates"),
        ),
    )
    return args


def configure(args: argparse.Namespace, start: Start | None = None) -> Preset:
    """Return the settings of the preset, or of `ser_rt.config`, overridden by the flags.

    Those of the network are those of what training starts from, where that is one of ours.

    Raises:
        ConfigError: The preset, the flags and the network contradict each other.
    """
    if args.preset is not None:
        preset = copy_preset(args.preset)
    elif start:
        preset = learning_on(start.settings.architecture)
    else:
        own = (config.model_config, config.training_config, config.data_config)
        preset = Preset(replace(own[0]), replace(own[1]), replace(own[2]))
    given = [
        {name: value for name in _flags_of(part) if (value := getattr(args, name)) is not None}
        for part in preset
    ]
    if start:
        if preset.model.architecture != start.settings.architecture:
            msg = (
                f"--preset {args.preset} is for the network {preset.model.architecture}, and "
                f"{args.model_name} is of the network {start.settings.architecture}: leave "
                "--preset out, and its settings are those for learning on"
            )
            raise ConfigError(msg)
        preset = preset._replace(model=start.settings_with(given[0]))
        given = given[1:]
    if args.output_dir is not None:
        preset.training.output_dir = str(args.output_dir)
    for part, values in zip(preset[-len(given) :], given, strict=True):
        for name, value in values.items():
            setattr(part, name, value)
    return preset


def _flags_of(part: object) -> list[str]:
    return [each.name for each in fields(part) if each.name not in _NO_FLAGS]  # type: ignore[arg-type]  # a dataclass


def _refuse_licence(wanted: str | None, *origins: str) -> None:
    """Refuse to learn from models that were trained on clips of other licences than permissive."""
    from ser_rt.networks.start import find_start

    for origin in origins if wanted == "permissive" else ():
        model = find_start(origin) if origin else None
        if model and (others := model.licence_classes - {"permissive"}):
            msg = (
                f"--licence-class permissive is for weights that are free, but {printable(origin)} "
                f"was trained on clips of the class {', '.join(sorted(others))}, and what learns "
                "from it is licensed as it is: take another model, such as compact-free"
            )
            raise ConfigError(msg)


def find_clips(
    args: argparse.Namespace, labels: Sequence[str], same_labels: Sequence[str] = ()
) -> tuple[list[Clip], list[Clip]]:
    """Return the clips to train on, and those chosen to validate on (or none)."""
    from ser_rt.training.data.corpus import (
        load_directory,
        read_manifest,
        refuse_absent_datasets,
        refuse_absent_split,
        relabel,
    )

    if args.data_dir:
        return load_directory(args.data_dir, labels, same_labels), []
    # All labels, so that a misspelt one raises and is not silently left out.
    rows = relabel(read_manifest(args.manifest, labels), same_labels)
    for split in filter(None, (args.split, args.val_split)):
        refuse_absent_split(rows, split, args.manifest)
    refuse_absent_datasets(rows, args.leave_out, args.manifest)
    there = [clip for clip in rows if clip.dataset not in args.leave_out]
    clips = [clip for clip in there if args.split in (None, clip.split)]
    held = [clip for clip in there if args.val_split and clip.split == args.val_split]
    if args.licence_class:
        clips = [clip for clip in clips if clip.licence_class == args.licence_class]
        held = [clip for clip in held if clip.licence_class == args.licence_class]
    if unknown := set(args.hold_out) - {name for clip in clips for name in clip.names}:
        msg = f"--hold-out names speakers that are not in the data: {sorted(unknown)}"
        raise ConfigError(msg)
    held += [clip for clip in clips if not clip.names.isdisjoint(args.hold_out)]
    if args.val_split and not held:
        msg = (
            f"no clip of split {args.val_split!r} is left to validate on: all are of other "
            "licence classes, or of datasets that are left out"
        )
        raise DataError(msg)
    chosen = {clip.path for clip in held}
    clips = [clip for clip in clips if clip.path not in chosen]
    if unused := len(rows) - len(clips) - len(chosen):
        msg = "%s: %d of %d clips are not used: of another split, dataset or licence class"
        logger.warning(msg, printable(args.manifest), unused, len(rows))
    return clips, held


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return 0 when trained, 1 on an error, 2 on a wrong command line."""
    # One of several processes must end on a signal even while it waits for the others.
    is_alone = os.environ.get("WORLD_SIZE", "1") == "1"
    return run_command("ser-train", lambda: _train(parse_args(argv)), is_terminable=is_alone)


def _train(args: argparse.Namespace) -> int:
    start = None
    if args.model_name:
        from ser_rt.networks.start import find_start

        start = find_start(args.model_name)
    model, training, data = configure(args, start)
    _refuse_licence(args.licence_class, args.model_name or "", training.teacher)
    first = os.environ.get("RANK", "0") == "0"  # among the processes that torchrun started
    setup_logging("INFO" if first else "ERROR")
    clips, held = find_clips(args, model.emotion_labels, data.same_labels)
    validates = bool(held or data.val_share)
    rules = setting_rules(model, training, data, validates=validates, learns_on=start is not None)
    refuse_idle(args.given, rules)
    from ser_rt.trainer import create_trainer

    try:
        trainer = create_trainer(model, training, data)
        trainer.train(clips, held or None, resume=args.resume)
    except KeyboardInterrupt:
        tell("ser-train: stopped; continue with --resume")
        raise
    if first:
        tell(f"trained: {printable(training.output_dir)}")
        for remark in trainer.remarks:
            tell(f"ser-train: {remark}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
