"""Checkpoints during training: when to write one, its seal, and which to keep."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState
from transformers import TrainerCallback

from ser_rt.errors import TrainingError
from ser_rt.files.hashing import sha256_of
from ser_rt.files.writing import write_json
from ser_rt.training.run_folder import SEAL, checkpoints_of

_KEPT = 2


@dataclass
class LossSoFar:
    """The training loss since the last log entry; checkpoints within an epoch store it."""

    total: float = 0.0
    """Sum over updates."""
    since_step: int = 0

    def mean_until(self, step: int) -> float:
        """Return the mean loss of an update, and start over."""
        mean = self.total / max(1, step - self.since_step)
        self.total, self.since_step = 0.0, step
        return mean


class Checkpoints(TrainerCallback):
    """Writes checkpoints within epochs too, seals each with hashes, and removes old ones.

    An old one is removed only after a newer one is complete: a kill while a checkpoint is written
    costs no more than that checkpoint.
    """

    def __init__(self, every_steps: int, loss: LossSoFar) -> None:
        self._every_steps, self._loss = every_steps, loss

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002 (its signature)
        """Restore the loss of the resumed checkpoint; the run may have been moved."""
        if best := state.best_model_checkpoint:
            state.best_model_checkpoint = str(Path(args.output_dir) / Path(best).name)
        seal = _folder(args, state) / SEAL
        self._loss.total, self._loss.since_step = 0.0, state.global_step
        if seal.exists():  # older versions wrote none
            loss = json.loads(seal.read_text(encoding="utf-8"))["loss"]
            self._loss.total, self._loss.since_step = loss["total"], loss["since_step"]

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002 (its signature)
        """Request a checkpoint; the end of an epoch has one anyway."""
        if self._every_steps and state.global_step % self._every_steps == 0 and state.epoch % 1:
            control.should_save = True

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002 (its signature)
        """Seal the checkpoint that was just written, and remove those that it replaces.

        Raises:
            TrainingError: weights are NaN or infinite.
        """
        folder = _folder(args, state)
        processes = PartialState()
        processes.wait_for_everyone()  # each writes its own random state
        is_finite = all(bool(torch.isfinite(p).all()) for p in kwargs["model"].parameters())
        if processes.is_main_process:
            if not is_finite:
                shutil.rmtree(folder)
            else:
                self._seal(folder)
                best = state.best_model_checkpoint
                for old in checkpoints_of(folder.parent)[:-_KEPT]:
                    if best is None or old.name != Path(best).name:
                        shutil.rmtree(old)
        if not is_finite:
            msg = (
                f"weights are not finite after step {state.global_step}: lower learning_rate; "
                "earlier checkpoints are kept"
            )
            raise TrainingError(msg)
        processes.wait_for_everyone()

    def _seal(self, folder: Path) -> None:
        hashes = {file.name: sha256_of(file) for file in sorted(folder.glob("*.safetensors"))}
        loss = {"total": self._loss.total, "since_step": self._loss.since_step}
        write_json({"sha256": hashes, "loss": loss}, folder / SEAL)


def _folder(args: Any, state: Any) -> Path:
    return Path(args.output_dir) / f"checkpoint-{state.global_step}"
