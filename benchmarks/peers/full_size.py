"""The networks of the README's comparison: 317 M random weights, for windows and as a stream.

Random weights fail the gates of int8, which compare labels that such a network hardly decides
between; its cost is that of trained ones. So gates only report here.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from ser_rt.benchmarks.gpu.steps import SCALES, Context, export, make_network
from ser_rt.benchmarks.measure.training_memory import FULL_SIZE
from ser_rt.bundle import Bundle
from ser_rt.errors import BundleNotFoundError, CheckpointError, ConfigError, ExportError
from ser_rt.networks.checkpoint import CONFIG, read_config

PRECISIONS = ("fp32", "int8")


class Made(NamedTuple):
    """A checkpoint, its bundles, and the bundle of the same encoder as a stream."""

    checkpoint: Path
    bundles: list[str]
    stream: str


def make(work: Path, scale: str, report: Callable[[str], None]) -> Made:
    """Return the networks and bundles in a folder, making those that are not there yet.

    Args:
        work: the folder; 5 GB at full size.
        scale: a name in `SCALES`.
        report: gets a line for each that is made.

    Raises:
        ConfigError: the folder holds a network of another shape.
        ExportError: an export ended with an error.
    """
    windowed = Context(work.resolve(), "cpu", SCALES[scale])
    stream = replace(windowed, work=windowed.work / "stream")
    bundles = _make(windowed, PRECISIONS, report, streaming=False)
    (streamed,) = _make(stream, ("int8",), report, streaming=True)
    return Made(windowed.checkpoint, bundles, streamed)


def _make(
    context: Context, precisions: Sequence[str], report: Callable[[str], None], *, streaming: bool
) -> list[str]:
    shape = context.scale.encoder or FULL_SIZE.encoder_config
    if _shape(context.checkpoint) is None:
        report(f"making the network in {context.work}")
        make_network(context, streaming=streaming)
    if _shape(context.checkpoint) != shape:
        msg = f"{context.work} holds a network of another shape: give another folder with --work"
        raise ConfigError(msg)
    for precision in precisions:
        try:
            Bundle.load(context.bundle(precision))
        except BundleNotFoundError:
            report(f"exporting it in {precision}")
            _export(context, precision)
    return [str(context.bundle(precision)) for precision in precisions]


def _shape(checkpoint: Path) -> dict[str, object] | None:
    """Return the shape of a network that is there whole."""
    if not (checkpoint / CONFIG).is_file():
        return None
    try:
        found: dict[str, object] = read_config(checkpoint)["model"]["encoder_config"]
    except CheckpointError as error:
        msg = f"{error}: it is no network of ser-bench full-size; give another folder with --work"
        raise ConfigError(msg) from error
    return found


def _export(context: Context, precision: str) -> None:
    try:
        export(context, precision)
    except subprocess.CalledProcessError as error:
        msg = f"ser-export in {precision} ended with {error.returncode}; its reason is above"
        raise ExportError(msg) from error
