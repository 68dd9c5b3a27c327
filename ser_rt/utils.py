"""`setup_logging` and `plot_training_history`, as in the original module."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ser_rt.errors import ConfigError, DataError, OutputError
from ser_rt.files.names import printable
from ser_rt.files.writing import write_bytes

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
    from ser_rt.evaluation.plots import new_figure, png

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
