"""Every command takes its flags with hyphens and with underscores."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest

import ser_rt
from ser_rt.cli.arguments import Parser, with_hyphens
from tests.test_packaging import PROJECT


class FoundError(Exception):
    """A command is about to parse its command line."""


def parsers(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """A parser and those of its subcommands."""
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for sub in action.choices.values():
                yield from parsers(sub)


@pytest.mark.parametrize("script", PROJECT["scripts"])
def test_flags_are_documented_with_hyphens_and_taken_with_underscores(
    script: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(parser: Parser, *_: Any) -> None:
        raise FoundError(parser)

    for name in ("parse_known_args", "parse_known_intermixed_args"):
        monkeypatch.setattr(Parser, name, stop)
    module, function = PROJECT["scripts"][script].split(":")
    with pytest.raises(FoundError) as found:
        getattr(import_module(module), function)([])
    for parser in parsers(found.value.args[0]):
        assert isinstance(parser, Parser)
        flags = [flag for flag in parser._option_string_actions if flag.startswith("--")]
        for flag in flags:
            assert "_" not in flag
            assert with_hyphens(["--" + flag[2:].replace("-", "_")]) == [flag]


@pytest.mark.parametrize("script", PROJECT["scripts"])
def test_every_command_has_a_version(script: str, capsys: pytest.CaptureFixture[str]) -> None:
    module, function = PROJECT["scripts"][script].split(":")
    with pytest.raises(SystemExit) as stop:
        getattr(import_module(module), function)(["--version"])
    assert stop.value.code == 0
    assert capsys.readouterr().out == f"{script} {ser_rt.__version__}\n"


def test_values_keep_their_underscores() -> None:
    parser = Parser()
    parser.add_argument("--data-dir")
    parser.add_argument("files", nargs="*")
    for flags in (["--data_dir", "a_b"], ["--data-dir=a_b"], ["--data_dir=a_b"]):
        parsed = parser.parse_args([*flags, "c_d", "--", "--e_f"])
        assert (parsed.data_dir, parsed.files) == ("a_b", ["c_d", "--e_f"])
    assert parser.parse_intermixed_args(["x_y", "--data_dir", "a_b", "z"]).files == ["x_y", "z"]
