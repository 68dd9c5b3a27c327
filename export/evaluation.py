"""The scores of an evaluation for a bundle's manifest, without clips and paths."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ser_rt.errors import ConfigError


def read_figures(path: Path) -> dict[str, Any]:
    """Condense the `evaluation.json` that ser-evaluate wrote.

    Raises:
        ConfigError: the file cannot be read, or was not written by ser-evaluate.
    """
    try:
        found = json.loads(path.read_bytes())
        overall = {"all": found["overall"], **found["groups"].get("dataset", {})}
        calibration = found["calibration"]
        return {
            "labels": found["labels"],
            "scores": {
                name: {
                    key: score[key]
                    for key in ("clips", "speakers", "uar", "interval_speakers", "interval_clips")
                }
                for name, score in overall.items()
            },
            "confusion": {name: score["confusion"] for name, score in overall.items()},
            "failed": len(found["failed"]),
            "left_out": found["left_out"],
            "windows": found["windows"],
            "robustness": found["robustness"],
            "calibration": {
                key: calibration[key] for key in ("ece", "nll", "temperature", "ece_after")
            },
        }
    except (OSError, ValueError) as error:
        msg = f"cannot read --evaluation {path}: {error}"
        raise ConfigError(msg) from error
    except (KeyError, TypeError, AttributeError) as error:
        msg = f"{path} was not written by ser-evaluate: it lacks {error}"
        raise ConfigError(msg) from error
