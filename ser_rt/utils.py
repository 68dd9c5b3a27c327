"""Small things that several commands share: logging, JSON files, the plot of a training."""

from __future__ import annotations

import argparse
import json
import logging
import math
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ser_rt.errors import ConfigError, DataError, OutputError
from ser_rt.names import printable
from ser_rt.outputs import STANDARD_OUTPUT, is_special

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


def setup_logging(log_level: str = "INFO", log_file: str | Path | None = None) -> logging.Logger:
    """Log `ser_rt` to standard error, and to `log_file` too; calling again replaces both.

    Raises:
        ConfigError: there is no such level.
        OutputError: the file cannot be written.
    """
    level = log_level.upper()
    if level not in _LEVELS:
        msg = f"log_level must be one of {', '.join(_LEVELS)}, not {log_level!r}"
        raise ConfigError(msg)
    handlers: list[logging.Handler] = [logging.StreamHandler()]
    if log_file is not None:
        try:
            Path(log_file).parent.mkdir(parents=True, exist_ok=True)
            handlers.append(
                logging.FileHandler(log_file, encoding="utf-8", errors="backslashreplace")
            )
        except OSError as error:
            msg = f"cannot write the log {printable(log_file)}: {error.strerror}"
            raise OutputError(msg) from error
    logger = logging.getLogger("ser_rt")
    for old in logger.handlers[:]:
        logger.removeHandler(old)
        old.close()
    shape = logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s")
    for handler in handlers:
        handler.setFormatter(shape)
        logger.addHandler(handler)
    logger.setLevel(level)
    logger.propagate = False
    return logger


def positive_int(text: str) -> int:
    """Read a command-line number of 1 or more, for `argparse`."""
    if not text.isdecimal() or not int(text):
        msg = f"{text!r} must be a whole number of 1 or more"
        raise argparse.ArgumentTypeError(msg)
    return int(text)


def write_bytes(path: str | Path, content: bytes) -> Path:
    """Write a file whole or not at all, making its folder; ``-`` is standard output.

    A link is followed. What is no file, such as a pipe or a device, is written to as it is.

    Raises:
        OutputError: it cannot be written; what was there before is still there.
    """
    if str(path) == STANDARD_OUTPUT:
        _print(content)
        return Path(path)
    target = Path(path)
    if is_special(target):
        try:
            with target.open("ab") as file:
                file.write(content)
        except OSError as error:
            raise _unwritten(target, error) from error
        return target
    target = Path(os.path.realpath(target)) if target.is_symlink() else target
    partial = target.with_name(f".{target.name[:40]}.partial")  # a name may have 255 bytes
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(content)
        partial.replace(target)
    except OSError as error:
        with suppress(OSError):
            partial.unlink()
        raise _unwritten(target, error) from error
    return target


def _unwritten(target: Path, error: OSError) -> OutputError:
    return OutputError(f"cannot write {printable(target)}: {error.strerror}")


def _print(content: bytes) -> None:
    if not hasattr(sys.stdout, "buffer"):  # text in memory
        sys.stdout.write(content.decode("utf-8", "backslashreplace"))
        return
    sys.stdout.flush()
    sys.stdout.buffer.write(content)
    sys.stdout.buffer.flush()


def write_json(value: object, path: str | Path | None = None) -> None:
    """Write JSON to a file, or print it; NaN and infinity, which JSON has not, become null.

    Raises:
        OutputError: it cannot be written.
    """
    path = STANDARD_OUTPUT if path is None else path
    encoding = "utf-8" if str(path) != STANDARD_OUTPUT else sys.stdout.encoding or "utf-8"
    plain = encoding.lower() not in {"utf-8", "utf8"}
    text = json.dumps(_finite(value), indent=2, ensure_ascii=plain, allow_nan=False)
    # Text of a caller may hold lone surrogates: JSON can carry them only escaped.
    write_bytes(path, text.encode("utf-8", "backslashreplace") + b"\n")


def plot_training_history(
    history: Mapping[str, Sequence[float]], save_path: str | Path | None = None
) -> Figure:
    """Draw losses on the left, scores on the right, over epochs; write a PNG to `save_path`.

    Args:
        history: a name such as `train_loss`, `val_loss`, `val_accuracy`, `val_f1` to its value in
            every epoch. Names with "loss" in them are losses.
        save_path: where to write the PNG; None only returns the figure.

    Raises:
        DataError: there is no value in it.
        OutputError: the PNG cannot be written.
    """
    curves = {name: values for name, values in history.items() if len(values)}
    if not curves:
        msg = "the training history is empty: train for at least one epoch first"
        raise DataError(msg)
    from ser_rt.plots import new_figure, png

    figure = new_figure(10, 4)
    for axes, title in zip(figure.subplots(1, 2), ("Loss", "Score"), strict=True):
        for name, values in curves.items():
            if ("loss" in name.lower()) == (title == "Loss"):
                axes.plot(range(1, len(values) + 1), values, marker="o", label=name)
        axes.set(title=title, xlabel="epoch")
        if axes.lines:
            axes.legend()
    if save_path is not None:
        write_bytes(save_path, png(figure))
    return figure


def _finite(value: object) -> object:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return value
