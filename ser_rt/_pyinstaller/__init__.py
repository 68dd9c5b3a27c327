"""Hooks of PyInstaller: files that are no modules, and modules that are loaded by name.

It finds this folder by the entry point `pyinstaller40`. A hook is run where an application uses the
module that it is named after, so that one which only streams bundles neither Ray nor a server.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path


def get_hook_dirs() -> list[str]:
    """Return the folder of the hooks."""
    return [str(Path(__file__).parent)]


def modules_of(targets: Iterable[str]) -> list[str]:
    """Return the modules of targets such as ``package.module:name``, each once."""
    return sorted({target.partition(":")[0] for target in targets})
