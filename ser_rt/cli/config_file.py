"""Flags from a TOML file and from the environment, so that they are checked as flags are."""

from __future__ import annotations

import argparse
import tomllib
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from ser_rt.errors import ConfigError
from ser_rt.files.names import printable
from ser_rt.files.text import read_text

_ANSWERS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


def flags_of_file(
    parser: argparse.ArgumentParser, path: Path, leave_out: Collection[str]
) -> list[str]:
    """Return the flags that a TOML file stands for, such as ``hop = 0.25``.

    Raises:
        ConfigError: It cannot be read, or has a key or a value that no flag has.
    """
    try:
        settings = tomllib.loads(read_text(path))
    except (OSError, ValueError) as error:
        msg = f"--config {printable(path)} cannot be read: {error}"
        raise ConfigError(msg) from error
    known = _known(parser, leave_out)
    flags: list[str] = []
    for key, value in settings.items():
        if (name := key.replace("_", "-")) not in known:
            msg = f"--config {printable(path)} has an unknown key {key!r}; there are "
            raise ConfigError(msg + ", ".join(known))
        flags += _flags(known[name], name, value, f"--config {printable(path)}: {key}")
    return flags


def flags_of_environment(
    parser: argparse.ArgumentParser,
    environment: Mapping[str, str],
    prefix: str,
    leave_out: Collection[str],
) -> list[str]:
    """Return the flags that variables stand for, such as ``SER_SERVE_PORT=8000``.

    A flag that may be repeated takes several values with commas between them.

    Raises:
        ConfigError: A variable with this prefix is no flag, or has a value that the flag has not.
    """
    known = _known(parser, leave_out)
    flags: list[str] = []
    for variable, text in sorted(environment.items()):
        if not variable.startswith(prefix) or not text:
            continue
        name = variable.removeprefix(prefix).lower().replace("_", "-")
        if name not in known:
            there = ", ".join(prefix + each.replace("-", "_").upper() for each in known)
            msg = f"{variable} is no setting; there are {there}"
            raise ConfigError(msg)
        value: Any = text
        if known[name].nargs == 0:
            value = _ANSWERS.get(text.lower(), text)
        elif _is_repeated(known[name]):
            value = [part.strip() for part in text.split(",")]
        flags += _flags(known[name], name, value, variable)
    return flags


def _known(
    parser: argparse.ArgumentParser, leave_out: Collection[str]
) -> dict[str, argparse.Action]:
    return {
        option.removeprefix("--"): action
        for action in parser._actions  # noqa: SLF001 (argparse has no public list)
        for option in action.option_strings
        if option.startswith("--") and action.dest not in leave_out
    }


def _flags(action: argparse.Action, name: str, value: object, where: str) -> Iterator[str]:
    takes_value = action.nargs != 0
    values = value if isinstance(value, list) and _is_repeated(action) else [value]
    for each in values:
        if isinstance(each, bool) == takes_value or not isinstance(each, bool | int | float | str):
            kind = "a value" if takes_value else "true or false"
            msg = f"{where} must be {kind}, not {value!r}"
            raise ConfigError(msg)
        if takes_value:
            yield f"--{name}={each}"
        elif each:
            yield f"--{name}"
        elif isinstance(action, argparse.BooleanOptionalAction):
            yield f"--no-{name}"


def _is_repeated(action: argparse.Action) -> bool:
    return isinstance(action, argparse._AppendAction)  # noqa: SLF001 (it has no other name)
