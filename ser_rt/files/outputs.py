"""Outputs that a command line names: files, devices, ``-`` for standard output."""

from __future__ import annotations

import re
from pathlib import Path

STANDARD_OUTPUT = "-"
_OF_A_PROCESS = re.compile(r"/dev/(stdin|stdout|stderr|fd/\d+)|/proc/.+/fd/\d+")


def is_special(path: Path) -> bool:
    """Return whether a path is a pipe, a device, or an open file of a process.

    It is appended to: it must not be replaced by another file or truncated.
    """
    if _OF_A_PROCESS.fullmatch(str(path)):
        return True
    return path.exists() and not path.is_file() and not path.is_dir()
