"""`run_command`: runs a command with its standard streams, signals and exit code."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

from ser_rt.cli.signals import Terminated, terminable
from ser_rt.cli.standard_streams import ReaderGone, finish, standard_streams
from ser_rt.errors import ConfigError, SerError
from ser_rt.files.names import printable, printable_lines
from ser_rt.files.outputs import is_special

EXIT_OK, EXIT_FAILED, EXIT_USAGE, EXIT_INTERRUPTED = 0, 1, 2, 130


def run_command(name: str, work: Callable[[], int], *, is_terminable: bool = True) -> int:
    """Run a command, from the parsing of its arguments on, and return its exit code.

    A user's mistake, or a failure of the system such as a full disk, is one line without traceback.

    Args:
        name: Of the command, for messages.
        work: The command; returns an exit code.
        is_terminable: Whether SIGTERM and SIGHUP end it as Ctrl-C does, with partial results.

    Returns:
        The code of ``work``; 0 too if the reader of a pipe has gone, 1 for a failure, 2 for a wrong
        command line, `code_of` an interrupt.

    Raises:
        SystemExit: As `argparse` does after ``--help`` and for a wrong flag.
    """
    with standard_streams():
        try:
            with terminable() if is_terminable else nullcontext():
                return _done(work)
        except SerError as error:
            tell(f"{name}: {error}")
            return EXIT_USAGE if isinstance(error, ConfigError) else EXIT_FAILED
        except OSError as error:
            if error.errno is None:  # not raised by the system: a bug
                raise
            where = "" if error.filename is None else f"{error.filename}: "
            tell(f"{name}: {where}{error.strerror}")
            return EXIT_FAILED
        except ReaderGone:
            return EXIT_OK
        except KeyboardInterrupt as interrupt:
            return code_of(interrupt)


def code_of(interrupt: KeyboardInterrupt) -> int:
    """Return 128 and the signal's number: 130 after Ctrl-C, 143 after SIGTERM, 129 after SIGHUP."""
    return 128 + interrupt.number if isinstance(interrupt, Terminated) else EXIT_INTERRUPTED


def tell(text: str) -> None:
    """Write a line to standard error."""
    print(printable_lines(text), file=sys.stderr)


def tell_replaced(path: Path | None, kind: str = "") -> None:
    """Say that a file, or a folder that holds a file of a name, is about to be replaced."""
    if path is None or is_special(path):
        return
    if (path / kind if kind else path).is_file():
        tell(f"{printable(path)} is replaced")


def _done(work: Callable[[], int]) -> int:
    try:
        code = work()
    except SystemExit:
        finish()
        raise
    finish()
    return code
