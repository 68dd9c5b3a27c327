"""Metrics of the validation clips after every epoch, and the history of a training."""

from __future__ import annotations

from typing import Any

import numpy as np
import transformers

from ser_rt.evaluation.metrics import macro_f1, unweighted_average_recall

History = dict[str, list[float]]
"""Metrics by name, one value per epoch."""


def logits_of(predictions: Any) -> Any:
    """Return the logits ``[clips, labels]`` of a network's outputs."""
    return predictions[0] if isinstance(predictions, tuple) else predictions


def measure(prediction: transformers.EvalPrediction) -> dict[str, float]:
    """Return accuracy, UAR and macro F1 of the validation clips."""
    logits = logits_of(prediction.predictions)
    true, predicted = np.asarray(prediction.label_ids), logits.argmax(axis=1)
    count = logits.shape[1]
    return {
        "accuracy": float((true == predicted).mean()),
        "uar": unweighted_average_recall(true, predicted, count),
        "f1": macro_f1(true, predicted, count),
    }


def history_of(log: list[dict[str, float]]) -> History:
    """Return transformers' log as one list per metric, one value per epoch."""
    names = {
        "loss": "train_loss",
        "eval_loss": "val_loss",
        "eval_accuracy": "val_accuracy",
        "eval_f1": "val_f1",
        "eval_uar": "val_uar",
    }
    return {
        name: [entry[key] for entry in log if key in entry]
        for key, name in names.items()
        if any(key in entry for entry in log)
    }
