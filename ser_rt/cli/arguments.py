"""`Parser` of command lines, and types of their arguments."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ser_rt
from ser_rt.cli.completion import SHELLS, PrintCompletion
from ser_rt.cli.help_text import in_korean, language_of
from ser_rt.files.outputs import STANDARD_OUTPUT
from ser_rt.files.writing import check_writable


class Parser(argparse.ArgumentParser):
    """An argument parser of a command, with ``--version`` and ``--print-completion``.

    Flags may be written with underscores instead of hyphens. With ``--lang ko`` the help is Korean.
    """

    def __init__(self, **settings: Any) -> None:
        """Make it as `argparse` does."""
        super().__init__(**settings)
        version = f"{self.prog} {ser_rt.__version__}"
        self.add_argument("--version", action="version", version=version, help="print it and exit")
        if " " not in self.prog:  # a command, and not one of its own commands
            self.add_argument(
                "--print-completion",
                action=PrintCompletion,
                help=f"print completion for a shell and exit: {', '.join(SHELLS)}",
            )

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse a command line."""
        args = with_hyphens(args)
        if language_of(args) == "ko":
            in_korean(self)
        return super().parse_known_args(args, namespace)

    def parse_known_intermixed_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse a command line whose positional arguments may stand between its flags."""
        return super().parse_known_intermixed_args(with_hyphens(args), namespace)


def with_hyphens(args: Sequence[str] | None) -> list[str]:
    """Return a command line (None: of this process) with hyphens in the names of its flags.

    >>> with_hyphens(["--data_dir=my_data", "--", "--a_file"])
    ['--data-dir=my_data', '--', '--a_file']
    """
    args = list(sys.argv[1:] if args is None else args)
    end = args.index("--") if "--" in args else len(args)
    return [_with_hyphens(arg) for arg in args[:end]] + args[end:]


def _with_hyphens(arg: str) -> str:
    if not arg.startswith("--"):
        return arg
    flag, equals, value = arg.partition("=")
    return flag.replace("_", "-") + equals + value


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


def replaced_file(text: str) -> Path:
    """Read the name of a file that is written whole when the work is done, for `argparse`.

    Raises:
        OutputError: It could not be written then.
    """
    path = new_file(text)
    check_writable(path)
    return path


def new_folder(text: str) -> Path:
    """Read the name of a folder to write, for `argparse`; standard output is none.

    Raises:
        OutputError: No file could be written into it.
    """
    if text == STANDARD_OUTPUT:
        msg = "standard output (-) is no folder: name a folder to write"
        raise argparse.ArgumentTypeError(msg)
    if not text or (Path(text).exists() and not Path(text).is_dir()):
        msg = f"{text!r} is {'a file' if text else 'no name'}: name a folder to write"
        raise argparse.ArgumentTypeError(msg)
    check_writable(Path(text, "file"))
    return Path(text)
