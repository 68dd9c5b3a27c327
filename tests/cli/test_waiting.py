"""Work that takes a while says how far it is, on a terminal alone."""

from __future__ import annotations

import io
import sys

import pytest

from ser_rt.cli.waiting import Waiting


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def shown(monkeypatch: pytest.MonkeyPatch, output: io.StringIO, *at: float, **how: bool) -> str:
    monkeypatch.setattr(sys, "stderr", output)
    now = 0.0
    with Waiting(clock=lambda: now, **how) as waiting:
        for second in at:
            now = second
            waiting.update(f"at {second:g}")
    return output.getvalue()


def test_it_waits_two_seconds_and_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert shown(monkeypatch, Terminal(), 0.5, 1.9) == ""
    text = shown(monkeypatch, Terminal(), 0.5, 2.0, 2.1, 3.0)
    assert text == "\r\033[Kat 2\r\033[Kat 3\r\033[K"


def test_it_is_for_terminals_that_are_not_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    assert shown(monkeypatch, io.StringIO(), 5.0) == ""
    assert shown(monkeypatch, Terminal(), 5.0, is_quiet=True) == ""
