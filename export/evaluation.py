"""The scores of an evaluation for a bundle's manifest, without clips and paths."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ser_rt.errors import ConfigError

_SCORE = ("clips", "speakers", "uar", "interval_speakers", "interval_clips")
_CALIBRATION = ("ece", "nll", "temperature", "ece_after", "by_dataset")


def read_figures(path: Path) -> dict[str, Any]:
    """Condense the `evaluation.json` that ser-evaluate wrote.

    Raises:
        ConfigError: the file cannot be read, or was not written by ser-evaluate.
    """
    try:
        return _condense(json.loads(path.read_bytes()))
    except (OSError, ValueError) as error:
        msg = f"cannot read --evaluation {path}: {error}"
        raise ConfigError(msg) from error
    except (KeyError, TypeError, AttributeError) as error:
        msg = f"{path} was not written by ser-evaluate: it lacks {error}"
        raise ConfigError(msg) from error


def refuse_other_figures(labels: Sequence[str], figures: Mapping[str, Any] | None) -> None:
    """Raise `ConfigError` for figures of a model with other emotions than these."""
    judged = (figures or {}).get("labels")
    if judged is not None and list(judged) != list(labels):
        msg = (
            f"the evaluation is of another model: of {', '.join(judged)}, and this one knows "
            f"{', '.join(labels)}"
        )
        raise ConfigError(msg)


def _condense(found: Mapping[str, Any]) -> dict[str, Any]:
    groups = found["groups"]
    overall = {"all": found["overall"], **groups.get("dataset", {})}
    home = {clip["speaker"]: clip["dataset"] for clip in found["predictions"]}
    return {
        "labels": found["labels"],
        "scores": {name: _only(score, _SCORE) for name, score in overall.items()},
        "languages": {
            name: _only(score, ("clips", "speakers", "uar"))
            for name, score in groups.get("language", {}).items()
        },
        "speakers": {
            name: {"dataset": home[name]} | _only(score, ("clips", "uar"))
            for name, score in groups.get("speaker", {}).items()
        },
        "confusion": {name: score["confusion"] for name, score in overall.items()},
        "failed": len(found["failed"]),
        "left_out": found["left_out"],
        "windows": found["windows"],
        "robustness": found["robustness"],
        "calibration": _only(found["calibration"], _CALIBRATION),
        "sounds": found["sounds"],
    }


def _only(values: Mapping[str, Any], keys: tuple[str, ...]) -> dict[str, Any]:
    return {key: values[key] for key in keys}
