"""Experiment trackers: TensorBoard, MLflow and Weights & Biases."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from ser_rt.errors import MissingDependencyError, TrainingError


class Tracker(NamedTuple):
    """Package and environment of a tracker; by default it writes into the run folder."""

    package: str
    settings: Callable[[Path], dict[str, str]]
    """Environment variables to set unless the user has set them."""
    hint: str = ""


def _mlflow(run: Path) -> dict[str, str]:
    folder = (run / "mlruns").resolve().as_uri()
    # A folder needs neither a server nor a database, but MLflow refuses it by default.
    return {"MLFLOW_TRACKING_URI": folder, "MLFLOW_ALLOW_FILE_STORE": "true"}


def _wandb(run: Path) -> dict[str, str]:
    return {"WANDB_DIR": str(run.resolve()), "WANDB_PROJECT": "ser-rt", "WANDB_SILENT": "true"}


TRACKERS: dict[str, Tracker] = {
    "tensorboard": Tracker("tensorboard", lambda _: {}),
    "mlflow": Tracker("mlflow-skinny", _mlflow, "check MLFLOW_TRACKING_URI"),
    "wandb": Tracker("wandb", _wandb, "run wandb login, or set WANDB_MODE=offline"),
}
"""Trackers by the name in `report_to`; transformers has a callback for each."""


def refuse_missing(report_to: str) -> None:
    """Raise `MissingDependencyError` if the tracker's package is not installed."""
    if report_to in TRACKERS and importlib.util.find_spec(report_to) is None:
        package = TRACKERS[report_to].package
        msg = f"report_to {report_to} needs a package that is not installed: pip install {package}"
        raise MissingDependencyError(msg)


@contextmanager
def tracked(report_to: str, run: Path) -> Iterator[None]:
    """Set a tracker's environment for a while, and translate its errors.

    Raises:
        TrainingError: the tracker fails.
    """
    if report_to not in TRACKERS:
        yield
        return
    tracker = TRACKERS[report_to]
    ours = {name: v for name, v in tracker.settings(run).items() if name not in os.environ}
    os.environ.update(ours)
    try:
        yield
    except Exception as error:
        if type(error).__module__.partition(".")[0] != report_to:
            raise
        msg = f"{report_to} failed: {error}; {tracker.hint}, or choose another report_to"
        raise TrainingError(msg) from error
    finally:
        for name in ours:
            del os.environ[name]
        _finish(report_to)


def _finish(report_to: str) -> None:
    """End the tracker's run; otherwise the next training of this process would write into it."""
    if report_to == "wandb":
        import wandb

        wandb.finish()
    if report_to == "mlflow":
        import mlflow

        mlflow.end_run()
