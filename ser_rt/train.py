"""`ser-train`: fine-tunes a network on a folder or a manifest of labelled clips."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from ser_rt.errors import ConfigError, SerError
from ser_rt.presets import PRESETS, Preset, copy_preset

_FLAGS: dict[str, type[int | float]] = {
    "batch_size": int,
    "num_epochs": int,
    "learning_rate": float,
    "gradient_accumulation_steps": int,
    "warmup_steps": int,
    "early_stopping_patience": int,
    "ema_decay": float,
    "balance": float,
    "seed": int,
    "val_share": float,
    "num_workers": int,
}


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog="ser-train", description=__doc__)
    data = parser.add_mutually_exclusive_group(required=True)
    data.add_argument("--data_dir", type=Path, help="folder with one folder for each emotion")
    data.add_argument("--manifest", type=Path, help="CSV with file_path, emotion and more columns")
    parser.add_argument("--split", help="train on this split of the manifest only")
    parser.add_argument("--licence_class", help="train on clips of this licence class only")
    parser.add_argument(
        "--hold_out", nargs="+", default=[], metavar="SPEAKER", help="validate on these speakers"
    )
    parser.add_argument("--preset", choices=PRESETS, default="wav2vec2")
    parser.add_argument("--output_dir", type=Path, default=Path("./results"))
    parser.add_argument("--resume", action="store_true", help="go on with the run in output_dir")
    for name, kind in _FLAGS.items():
        parser.add_argument(f"--{name}", type=kind, help="instead of the preset's")
    return parser.parse_args(argv)


def configure(args: argparse.Namespace) -> Preset:
    """Take the preset and overrule it with the flags that were given."""
    preset = copy_preset(args.preset)
    preset.training.output_dir = str(args.output_dir)
    for name in _FLAGS:
        if (value := getattr(args, name)) is not None:
            owner = preset.data if hasattr(preset.data, name) else preset.training
            setattr(owner, name, value)
    return preset


def run(args: argparse.Namespace) -> None:
    """Find the clips, train, and write the history beside the weights."""
    model, training, data = configure(args)
    from ser_rt.corpus import load_directory, load_manifest
    from ser_rt.trainer import create_trainer

    labels = model.emotion_labels
    clips = (
        load_directory(args.data_dir, labels)
        if args.data_dir
        else load_manifest(args.manifest, labels, args.split)
    )
    if args.licence_class:
        clips = [clip for clip in clips if clip.licence_class == args.licence_class]
    if unknown := set(args.hold_out) - {clip.speaker for clip in clips}:
        msg = f"--hold_out names speakers that are not in the data: {sorted(unknown)}"
        raise ConfigError(msg)
    held = [clip for clip in clips if clip.speaker in args.hold_out] or None
    kept = [clip for clip in clips if clip.speaker not in args.hold_out]
    history = create_trainer(model, training, data).train(kept, held, resume=args.resume)
    path = args.output_dir / "history.json"
    path.write_text(json.dumps(history, indent=2) + "\n", encoding="utf-8")
    print(f"trained: {args.output_dir}", file=sys.stderr)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; 0 when trained, 1 on an error, 2 on a wrong command line."""
    args = parse_args(argv)
    try:
        run(args)
    except SerError as error:
        print(f"ser-train: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("ser-train: stopped; go on with --resume", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
