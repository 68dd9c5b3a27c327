"""Says how a run came about: settings, clips, versions and the state of the source."""

from __future__ import annotations

import platform
import subprocess
from collections import Counter
from collections.abc import Iterable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ser_rt.config import DataConfig, TrainingConfig
from ser_rt.corpus import Clip


def versions(packages: Iterable[str]) -> dict[str, str]:
    """Versions of Python and of those packages that are installed."""
    found = {"python": platform.python_version()}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def training_versions() -> dict[str, str]:
    """Versions of what training depends on."""
    return versions(("ser-rt", "torch", "transformers", "accelerate", "peft", "numpy", "soxr"))


def git_state() -> str:
    """Commit of the source, with ``-dirty`` where files differ from it; empty outside git."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def describe_clips(clips: Sequence[Clip]) -> dict[str, Any]:
    """Count clips, and name datasets, speakers and licence classes."""
    return {
        "clips": len(clips),
        "datasets": dict(sorted(Counter(clip.dataset for clip in clips).items())),
        "emotions": dict(sorted(Counter(clip.emotion for clip in clips).items())),
        "speakers": sorted({clip.speaker for clip in clips if clip.speaker}),
        "licence_classes": sorted({c.licence_class for c in clips if c.licence_class}),
    }


def describe_run(
    training: TrainingConfig,
    data: DataConfig,
    train: Sequence[Clip],
    val: Sequence[Clip],
    steps: int,
) -> dict[str, Any]:
    """Describe a training run for the checkpoint's config."""
    return {
        "settings": {**training.to_dict(), **data.to_dict()},
        "steps": steps,
        "train": describe_clips(train),
        "validation": describe_clips(val),
        "source": git_state(),
        "versions": training_versions(),
    }
