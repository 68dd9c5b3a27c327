"""`remarks_of`: what a training should not end without saying; `WarmUpCheck`: nor begin."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import transformers

from ser_rt.evaluation.verdict import is_guessing

if TYPE_CHECKING:
    from ser_rt.training.metrics import History

logger = logging.getLogger(__name__)


class WarmUpCheck(transformers.TrainerCallback):
    """Warns before a training whose learning rate cannot reach its peak."""

    def on_train_begin(
        self,
        args: transformers.TrainingArguments,
        state: transformers.TrainerState,
        control: transformers.TrainerControl,  # noqa: ARG002 (its signature)
        **_: Any,
    ) -> None:
        """Compare the warm-up with all updates."""
        if why := short_warm_up(int(args.warmup_steps), state.max_steps):
            logger.warning("%s", why)


def short_warm_up(warm_up: int, updates: int) -> str | None:
    """Return a remark if the warm-up takes most of the updates or more; None if it does not."""
    if not updates or warm_up < updates / 2:
        return None
    reached = min(1.0, updates / warm_up)
    return (
        f"the learning rate warms up for {warm_up} of {updates} updates and reaches "
        f"{reached:.0%} of learning_rate: give --warmup-steps {max(1, updates // 10)}, or train "
        "for longer"
    )


def remarks_of(
    history: History,
    validated: Sequence[str],
    *,
    warm_up: int,
    updates: int,
    planned: int,
) -> list[str]:
    """Return remarks about a training that ended.

    Args:
        history: Of its epochs.
        validated: The emotion of each clip that was validated on.
        warm_up: Updates of the warm-up.
        updates: Updates that there were.
        planned: Updates that there would have been.
    """
    found = []
    if not validated:
        found.append(
            "nothing was validated, so how good it is nobody knows: give --val-share 0.2, "
            "--hold-out or --val-split, or judge it with ser-evaluate on other speakers"
        )
    best, classes = max(history.get("val_uar") or [0.0]), len(Counter(validated))
    if validated and classes < 2:
        found.append(f"all clips to validate on are {validated[0]}: they say nothing")
    elif validated and is_guessing(best, list(Counter(validated).values())):
        found.append(
            f"no better than guessing: its best UAR is {best:.2f} on {len(validated)} clips, where "
            f"chance is {1 / classes:.2f}; it needs more clips, more epochs or another rate"
        )
    losses = history.get("train_loss", [])
    if len(losses) > 1 and losses[-1] >= losses[0]:
        found.append(f"the loss has not fallen: from {losses[0]:.3f} to {losses[-1]:.3f}")
    if why := short_warm_up(warm_up, planned):
        found.append(why)
    if updates < planned:
        epochs = len(history.get("val_uar", losses))
        found.append(
            f"stopped early, after {epochs} epochs and {updates} of {planned} updates: nothing "
            "improved for early_stopping_patience epochs"
        )
    return found
