"""The licence of the weights, derived from the corpora that they were trained on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

CORPORA = {
    "emodb": "EmoDB (CC0-1.0): Burkhardt et al., A database of German emotional speech, 2005",
    "cremad": (
        "CREMA-D (ODbL-1.0, contents DbCL-1.0): Cao et al., 2014. Contains information from "
        "CREMA-D, which is made available under the Open Database License"
    ),
    "thorsten-emotional": "Thorsten-Voice 2021.06 emotional (CC0-1.0): Mueller, Kreutz",
    "nemo": "nEMO (CC BY-NC-SA 4.0): Christop, nEMO: Dataset of Emotional Speech in Polish, 2024",
    "emotiontts": "emotiontts open DB (CC BY-NC-SA, research only): SELVAS AI, KAIST",
}
"""Attributions of known corpora."""


def licence_of(training: dict[str, Any]) -> dict[str, Any]:
    """Derive the licence of the weights from a checkpoint's description of its training.

    Clips of the class ``nc`` make the weights non-commercial; clips of the class ``permissive``
    alone leave them free; for anything else the person who trained them must decide. What a teacher
    was trained on counts as well.
    """
    runs = list(_runs(training))
    classes = {name for run in runs for name in run.get("licence_classes") or ("unknown",)}
    weights = "unknown: whoever trained them must say"
    if "nc" in classes:
        weights = "CC-BY-NC-SA-4.0"
    elif classes == {"permissive"}:
        weights = "MIT"
    datasets = sorted({name for run in runs for name in run.get("datasets", ()) if name})
    attribution = [CORPORA.get(name, name) for name in datasets]
    return {"weights": weights, "trained_on": attribution}


def _runs(training: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the clips of a training, of its teacher's, and so on."""
    yield training.get("train", {})
    if teacher := training.get("teacher"):
        yield from _runs(teacher)
