"""What several processes of one run of the suite need: the first that asks makes it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import filelock
import pytest


def shared_folder(factory: pytest.TempPathFactory) -> Path:
    """Return a folder of this run of the suite, the same in each of its processes."""
    own = factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


def made_once(path: Path, make: Callable[[Path], object]) -> Path:
    """Return a file or folder; make it, under another name first, if nobody has."""
    with filelock.FileLock(f"{path}.lock"):
        if not path.exists():
            draft = path.with_name(f"draft-{path.name}")
            make(draft)
            draft.rename(path)
    return path
