"""`PrintCompletion`, the flag with which a command prints its completion for a shell."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ser_rt.errors import requires

SHELLS = ("bash", "zsh", "fish")
FILES = {"FILE", "PATH", "OUTPUT"}
FOLDERS = {"FOLDER", "DIR"}


class PrintCompletion(argparse.Action):
    """Prints the completion of a command line and exits, as ``--version`` does."""

    def __init__(self, option_strings: list[str], dest: str, **settings: Any) -> None:
        """Make the flag, whose value is a shell."""
        settings |= {"default": argparse.SUPPRESS, "choices": SHELLS, "metavar": "SHELL"}
        super().__init__(option_strings, dest, **settings)

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,  # noqa: ARG002 (what argparse calls)
        values: Any,
        option_string: str | None = None,  # noqa: ARG002 (as before)
    ) -> None:
        """Print the completion for a shell, and exit."""
        print(completion(parser, values))  # noqa: T201 (it is what was asked for)
        parser.exit()


def completion(parser: argparse.ArgumentParser, shell: str) -> str:
    """Return the script with which a shell completes the flags, choices and files of a command.

    Raises:
        MissingDependencyError: The extra ``completion`` is not installed.
    """
    with requires("--print-completion", "completion"):
        import shtab
    _mark_files(parser, shtab)
    return str(shtab.complete(parser, shell))


def _mark_files(parser: argparse.ArgumentParser, shtab: Any) -> None:
    """Note which arguments are files or folders, by their type or the name in the help."""
    for action in parser._actions:  # noqa: SLF001 (shtab reads the same)
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 (as before)
            for command in action.choices.values():
                _mark_files(command, shtab)
        elif action.choices is None and action.nargs != 0:
            shown = str(action.metavar or action.dest).upper()
            is_folder = shown in FOLDERS or getattr(action.type, "__name__", "") == "new_folder"
            if is_folder:
                action.complete = shtab.DIRECTORY  # type: ignore[attr-defined]  # shtab's own
            elif shown in FILES or action.type is Path or not action.option_strings:
                action.complete = shtab.FILE  # type: ignore[attr-defined]  # shtab's own
