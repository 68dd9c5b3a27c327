"""Names of outputs on a command line: a file, a folder, ``-`` for standard output."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

STANDARD_OUTPUT = "-"
_OF_A_PROCESS = re.compile(r"/dev/(stdin|stdout|stderr|fd/\d+)|/proc/.+/fd/\d+")


def is_special(path: Path) -> bool:
    """Return whether a path is a pipe, a device, or an open file of a process.

    It is written to as it is: another file in its place, or its end cut off, would be a loss.
    """
    if _OF_A_PROCESS.fullmatch(str(path)):
        return True
    return path.exists() and not path.is_file() and not path.is_dir()


def new_file(text: str) -> Path:
    """Read the name of a file to write, for `argparse`; ``-`` is standard output."""
    if not text or Path(text).is_dir():
        msg = f"{text!r} is {'a folder' if text else 'no name'}: name a file to write"
        raise argparse.ArgumentTypeError(msg)
    return Path(text)


def new_folder(text: str) -> Path:
    """Read the name of a folder to write, for `argparse`; standard output is none."""
    if text == STANDARD_OUTPUT:
        msg = "standard output (-) is no folder: name a folder to write"
        raise argparse.ArgumentTypeError(msg)
    if not text or (Path(text).exists() and not Path(text).is_dir()):
        msg = f"{text!r} is {'a file' if text else 'no name'}: name a folder to write"
        raise argparse.ArgumentTypeError(msg)
    return Path(text)
