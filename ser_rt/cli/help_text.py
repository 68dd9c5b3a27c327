"""Korean of what ``--help`` prints, for the commands that have ``--lang``."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from ser_rt.cli.columns import wrapped


class HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Formats help in lines that fit, Korean too."""

    def _split_lines(self, text: str, width: int) -> list[str]:
        return wrapped(text, width)


class KoreanFormatter(HelpFormatter):
    """A `HelpFormatter` whose first word is Korean."""

    def add_usage(self, usage: Any, actions: Any, groups: Any, prefix: str | None = None) -> None:
        """Add the usage, as `argparse` does."""
        super().add_usage(usage, actions, groups, prefix or "사용법: ")


@cache
def korean() -> dict[str, str]:
    """Return Korean texts by their English ones."""
    table = files("ser_rt.cli").joinpath("help.ko.json")
    texts: dict[str, str] = json.loads(table.read_text(encoding="utf-8"))
    return texts


def language_of(args: Sequence[str]) -> str:
    """Return the value of ``--lang`` on a command line, wherever it stands.

    >>> language_of(["--help", "--lang=ko"]), language_of(["call.wav"])
    ('ko', 'en')
    """
    known = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    known.add_argument("--lang", nargs="?", default="en")
    return str(known.parse_known_args(list(args))[0].lang)


def in_korean(parser: argparse.ArgumentParser) -> None:
    """Translate the texts of a parser; one without a translation stays English."""
    texts = korean()
    parser.formatter_class = KoreanFormatter
    for whole in ("usage", "description", "epilog"):
        text = getattr(parser, whole)
        setattr(parser, whole, texts.get(text, text))
    for group in parser._action_groups:  # noqa: SLF001 (argparse has no public list of them)
        group.title = texts.get(group.title or "", group.title)
    for action in parser._actions:  # noqa: SLF001
        action.help = texts.get(action.help or "", action.help)
