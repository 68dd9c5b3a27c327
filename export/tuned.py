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


def keep_tuning(new: Manifest, before: Manifest | Path, warn: Report) -> Manifest:
    """Return a manifest with the profiles of the bundle before it, if that has the same network.

    Profiles of another network are left out, and `warn` says so.

    Args:
        new: without profiles.
        before: the bundle that it was made of, or the folder where it will be, perhaps in the place
            of another.
        warn: gets one line.
    """
    try:
        old = Manifest.read(before) if isinstance(before, Path) else before
    except BundleError:
        return new
    if not old.profiles and not old.temperature_by_speech:
        return new
    was, becomes = _entries(old), _entries(new)
    if changed := [name for name in _NETWORK if was.get(name) != becomes.get(name)]:
        names = ", ".join(old.profiles) or "none by name"
        warn(
            f"the profiles that ser-tune stored in {old.name} ({names}) are left out: they are of "
            f"another network ({', '.join(changed)} changed); run ser-tune again"
        )
        return new
    return replace(
        new,
        profiles=old.profiles,
        temperature_by_speech=old.temperature_by_speech,
        turn_temperature=old.turn_temperature,
    )


def _entries(manifest: Manifest) -> dict[str, Any]:
    entries: dict[str, Any] = json.loads(json.dumps(manifest.to_dict()))
    return entries
