"""`TrainingProgress`: a bar on a terminal and a line for every epoch, on standard error."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TaskID, TimeElapsedColumn
from transformers import TrainerCallback

_SHOWN = {
    "loss": "loss",
    "eval_loss": "validation loss",
    "eval_accuracy": "accuracy",
    "eval_f1": "macro F1",
    "eval_uar": "UAR",
}


class TrainingProgress(TrainerCallback):
    """Shows updates and validated clips on a bar; off a terminal there are only the lines."""

    def __init__(self) -> None:
        console = Console(stderr=True, highlight=False)
        self.bar = Progress(
            *Progress.get_default_columns(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._training: TaskID | None = None
        self._validation: TaskID | None = None

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002 (its signature)
        """Start at the first update, or at that of the resumed checkpoint."""
        if state.is_world_process_zero:
            self._training = self.bar.add_task("training", total=state.max_steps)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002 (its signature)
        """Count an update."""
        if self._training is not None:
            self.bar.update(self._training, completed=state.global_step)

    def on_prediction_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002 (its signature)
        """Count a validated batch."""
        if state.is_world_process_zero:
            if self._validation is None:
                total = len(kwargs["eval_dataloader"])
                self._validation = self.bar.add_task("validation", total=total)
            self.bar.advance(self._validation)

    def on_evaluate(self, *_: Any, **__: Any) -> None:
        """Remove the bar of the validation."""
        if self._validation is not None:
            self.bar.remove_task(self._validation)
            self._validation = None

    def on_log(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002 (its signature)
        """Print the metrics above the bar."""
        metrics = "  ".join(
            f"{_SHOWN[name]} {value:.3f}"
            for name, value in kwargs["logs"].items()
            if name in _SHOWN
        )
        if metrics and state.is_world_process_zero:
            self.bar.console.print(f"epoch {state.epoch:.0f}  {metrics}", soft_wrap=True)
