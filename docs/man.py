"""Writes manual pages of all commands, and all `--help` as a page: `python docs/man.py FOLDER`."""

import os
import re
import sys
import tomllib
from collections.abc import Callable, Iterator
from contextlib import suppress
from html import escape
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest.mock import patch

from argparse_manpage.manpage import Manpage

import ser_rt
from ser_rt.cli.arguments import Parser

PROJECT = tomllib.loads(Path(__file__).parent.parent.joinpath("pyproject.toml").read_text("utf-8"))
SCRIPTS: dict[str, str] = PROJECT["project"]["scripts"]


def parsers() -> Iterator[tuple[str, Parser]]:
    """Yield each command and its parser, which ``--help`` would print."""
    for script, target in SCRIPTS.items():
        module, function = target.split(":")
        yield script, parser_of(getattr(import_module(module), function))


def parser_of(main: Callable[[list[str]], int]) -> Parser:
    """Return the parser of a command."""
    found: list[Parser] = []
    caught = patch.object(Parser, "print_help", lambda self, _=None: found.append(self))
    with caught, suppress(SystemExit):
        main(["--help"])
    return found[0]


def manual(parser: Any) -> str:
    """Return the manual page of a command, as roff."""
    parser.man_short_description = " ".join((parser.description or "").split()).partition(".")[0]
    page = Manpage(parser)
    page.source, page.manual = f"ser-rt {ser_rt.__version__}", "Speech emotion recognition"
    text = re.sub(r"^\./", r"\\&./", str(page), flags=re.MULTILINE)  # a path is no macro
    # The lines of the epilog, which has examples, stay as they are.
    return text.replace(".SH COMMENTS\n", ".SH NOTES\n.nf\n")


def main() -> int:
    """Write the pages into the folder that the command line names."""
    folder = Path(sys.argv[1])
    os.environ["COLUMNS"] = "100"
    (folder / "man1").mkdir(parents=True, exist_ok=True)
    page = ["<!doctype html><meta charset=utf-8><title>The commands of ser-rt</title>"]
    for script, parser in parsers():
        (folder / "man1" / f"{script}.1").write_text(manual(parser), encoding="utf-8")
        page.append(f"<h2 id={script}>{script}</h2><pre>{escape(parser.format_help())}</pre>")
    (folder / "commands.html").write_text("\n".join(page) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
