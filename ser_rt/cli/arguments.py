"""Types of command-line arguments, for `argparse`."""

from __future__ import annotations

import argparse
from pathlib import Path

from ser_rt.files.outputs import STANDARD_OUTPUT


def positive_int(text: str) -> int:
    """Read a command-line number of 1 or more, for `argparse`."""
    if not text.isdecimal() or not int(text):
        msg = f"{text!r} must be a whole number of 1 or more"
        raise argparse.ArgumentTypeError(msg)
    return int(text)


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
