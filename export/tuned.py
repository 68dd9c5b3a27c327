"""`keep_tuning`, `keep_evaluation`: what bundles that an export replaces or is made of know.

That is what ser-tune stored, and the scores of ser-evaluate.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ser_rt.errors import BundleError
from ser_rt.export.progress import Report
from ser_rt.manifest import Manifest

_SCORED = ("labels", "training", "model", "layers", "temperature")
"""Entries of a manifest; scores of others are of another network."""
_TUNED = (*_SCORED, "window_s", "hop_s")
"""Entries of a manifest; profiles that were found with others are of another network."""


def keep_evaluation(new: Manifest, origin: Manifest | None, warn: Report) -> Manifest:
    """Return a manifest with the scores of the bundle that it was made of, if it has none.

    Scores of another network are left out, and `warn` says so.

    Args:
        new: a manifest.
        origin: that of the bundle; None, where that was a checkpoint.
        warn: gets a line where scores are left out.
    """
    if origin is None or new.evaluation or not origin.evaluation:
        return new
    if changed := _changed(origin, new, _SCORED):
        warn(
            f"the evaluation in {origin.name} is left out: it is of another network "
            f"({', '.join(changed)} changed); run ser-evaluate again"
        )
        return new
    return replace(new, evaluation=origin.evaluation)


def keep_tuning(new: Manifest, out: Path, origin: Manifest | None, warn: Report) -> Manifest:
    """Return a manifest with the profiles that a bundle of the same network had before.

    Those of the bundle that is replaced come before those of the bundle that it is made of.
    Profiles of another network are left out, and `warn` says so.

    Args:
        new: without profiles.
        out: the folder where it will be, perhaps in the place of a bundle.
        origin: the bundle that it was made of; None, where that was a checkpoint.
        warn: gets a line for each bundle whose profiles are left out.
    """
    for old in (_at(out), origin):
        if old is None or not (old.profiles or old.temperature_by_speech or old.turn_temperature):
            continue
        changed = _changed(old, new, _TUNED)
        if not changed:
            return replace(
                new,
                profiles=old.profiles,
                temperature_by_speech=old.temperature_by_speech,
                turn_temperature=old.turn_temperature,
            )
        names = ", ".join(old.profiles) or "none by name"
        warn(
            f"the profiles that ser-tune stored in {old.name} ({names}) are left out: they are of "
            f"another network ({', '.join(changed)} changed); run ser-tune again"
        )
    return new


def _at(folder: Path) -> Manifest | None:
    try:
        return Manifest.read(folder)
    except BundleError:
        return None


def _changed(old: Manifest, new: Manifest, names: Sequence[str]) -> list[str]:
    was, becomes = _entries(old), _entries(new)
    return [name for name in names if was.get(name) != becomes.get(name)]


def _entries(manifest: Manifest) -> dict[str, Any]:
    entries: dict[str, Any] = json.loads(json.dumps(manifest.to_dict()))
    return entries
