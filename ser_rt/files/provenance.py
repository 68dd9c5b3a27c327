"""Provenance of a result: versions of packages and the commit of the source."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from ser_rt.files.hashing import sha256_of


def versions(packages: Iterable[str]) -> dict[str, str]:
    """Return the versions of Python and of those packages that are installed."""
    found = {"python": platform.python_version()}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def training_versions() -> dict[str, str]:
    """Return the versions of the packages that training depends on."""
    return versions(("ser-rt", "torch", "transformers", "accelerate", "peft", "numpy", "soxr"))


def git_state() -> str:
    """Return the commit of the source, with ``-dirty`` if files differ; empty outside git."""
    here = Path(__file__)

    def git(*words: str) -> str:
        command = ["git", "-C", str(here.parent), *words]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        # Installed below somebody's own repository, the source is none of its files.
        git("ls-files", "--error-unmatch", here.name)
        return git("describe", "--always", "--dirty")
    except (OSError, subprocess.CalledProcessError):
        return ""


def about_run(model: object, name: str) -> dict[str, str]:
    """Return what was run, when and with what, for a report.

    Args:
        model: A classifier; one of a bundle has its name, version and hash.
        name: As the user named it.
    """
    about = {"model": name}
    bundle = getattr(model, "bundle", None)
    if bundle is not None:
        about["model"] = f"{bundle.name} {bundle.version}, {bundle.precision}"
        about["sha256"] = str(bundle.sha256)
    elif Path(name, "model.safetensors").is_file():
        about["sha256"] = sha256_of(Path(name, "model.safetensors"))
    about["date"] = datetime.now(UTC).isoformat(timespec="seconds")
    return about | versions(("ser-rt",))
