"""`keep_tuning`: what ser-tune stored in the bundle that an export replaces or is made of."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from ser_rt.errors import BundleError
from ser_rt.export.progress import Report
from ser_rt.manifest import Manifest

_NETWORK = ("labels", "training", "model", "layers", "temperature", "window_s", "hop_s")
"""Entries of a manifest; profiles that were found with others are of another network."""


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
    becomes = _entries(new)
    for old in (_at(out), origin):
        if old is None or not (old.profiles or old.temperature_by_speech):
            continue
        was = _entries(old)
        changed = [name for name in _NETWORK if was.get(name) != becomes.get(name)]
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


def _entries(manifest: Manifest) -> dict[str, Any]:
    entries: dict[str, Any] = json.loads(json.dumps(manifest.to_dict()))
    return entries
