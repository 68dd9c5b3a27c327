"""Help of the commands that speak Korean."""

from __future__ import annotations

import argparse
import re

import pytest

from ser_rt.cli.columns import display_width
from ser_rt.cli.help_text import korean
from ser_rt.commands import report, stream_flags

PARSERS = {"ser-stream": stream_flags.make_parser, "ser-report": report.make_parser}
LITERAL = re.compile(r"(?a)%\(\w+\)s|--[a-z][a-z-]+|\.[a-z]{2,4}\b|\b\d[\d.]*\b")
"""What a translation keeps as it is: placeholders, flags, suffixes, numbers."""


def texts(parser: argparse.ArgumentParser) -> set[str]:
    """All that ``--help`` prints of a parser, but for names of flags and of values."""
    groups = (group.title for group in parser._action_groups)
    helps = (action.help for action in parser._actions)
    return {t for t in (parser.usage, parser.description, parser.epilog, *groups, *helps) if t}


@pytest.mark.parametrize("command", PARSERS)
def test_all_help_has_a_korean_text_that_says_the_same(command: str) -> None:
    for text in texts(PARSERS[command]()):
        kept = set(LITERAL.findall(text)) - {".mp4"}
        assert kept <= set(LITERAL.findall(korean()[text])), text


def test_no_korean_text_is_of_help_that_is_gone() -> None:
    assert set(korean()) == set().union(*(texts(make()) for make in PARSERS.values()))


@pytest.mark.parametrize("command", PARSERS)
@pytest.mark.parametrize("args", [["--lang", "ko", "--help"], ["-h", "--lang=ko"]])
def test_help_is_korean_and_fits_wherever_the_language_is_named(
    command: str,
    args: list[str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit) as end:
        PARSERS[command]().parse_args(args)
    printed = capsys.readouterr().out
    assert end.value.code == 0
    assert printed.startswith(f"사용법: {command}")
    assert "이 도움말을 표시하고 종료" in printed
    assert max(map(display_width, printed.splitlines())) <= 100


def test_help_is_english_otherwise(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        stream_flags.make_parser().parse_args(["--help"])
    assert not re.search("[가-힣]", capsys.readouterr().out)
