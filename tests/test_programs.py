"""No test depends on a program that nobody declared, or fails where one is not installed."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.programs import EVERYWHERE, MADE, OF_SLOW_TESTS, PACKAGES
from tests.support.source_tree import ROOT, files

GUARDS = {"missing", "needs"}
MODULES = {
    str(path.relative_to(ROOT)): ast.parse(path.read_text(encoding="utf-8"))
    for path in files("tests")
    if path.suffix == ".py" and path.name not in ("programs.py", "test_programs.py")
}
CI, MAKEFILE = ((ROOT / name).read_text(encoding="utf-8") for name in (".ci/run", "Makefile"))
POSIX = {"awk", "cd", "echo", "ln", "mkdir", "rm", "test", "touch"}
"""Commands of the Makefile that every system has; `make test-lowest` wants uv besides."""


def named(tree: ast.AST) -> Iterator[str]:
    """Yield the first words of the texts in some source: a command begins with its program."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from (Path(word).name for word in node.value.split()[:1])


def guarded(tree: ast.Module) -> set[str]:
    """Return the programs without which something in a module is skipped."""
    found = set[str]()
    for call in ast.walk(tree):
        if isinstance(call, ast.Call) and ast.unparse(call.func) in GUARDS:
            lists = {ast.unparse(given).removeprefix("*") for given in call.args}
            found.update(named(call))
            for node in tree.body:
                if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in lists:
                    found.update(named(node.value))
    return found


@pytest.mark.parametrize("module", sorted(MODULES.keys() - {"tests/test_readme.py"}))
def test_what_needs_a_program_is_skipped_without_it(module: str) -> None:
    needed = PACKAGES.keys() & set(named(MODULES[module]))
    assert needed <= guarded(MODULES[module]), "skip without them, by `needs`"


def test_every_program_that_is_declared_is_used() -> None:
    used = {name for tree in MODULES.values() for name in named(tree)}
    assert {*EVERYWHERE, *MADE, *PACKAGES} <= used


@pytest.mark.parametrize("program", sorted(PACKAGES.keys() - OF_SLOW_TESTS))
def test_what_a_machine_may_lack_is_installed_for_continuous_integration(program: str) -> None:
    assert re.search(rf"^try_install .*\b{PACKAGES[program]}\b", CI, re.MULTILINE)


def test_the_make_targets_are_installed_for_continuous_integration() -> None:
    assert all(command in CI for command in MADE.values())


def test_a_program_that_nobody_named_is_not_started_even_by_a_library() -> None:
    for program in ("ffmpeg", "/usr/bin/ffmpeg", b"ffmpeg"):
        with pytest.raises(pytest.fail.Exception, match="ffmpeg is started"):
            sys.audit("subprocess.Popen", None, [program, "-i", "x"], None, None)
    with pytest.raises(pytest.fail.Exception, match="a shell is started"):
        sys.audit("os.system", b"ffmpeg -i x")


def test_make_needs_what_every_system_has() -> None:
    plain = re.sub(r"\\\n|\$\(.*?\)\S*|\"[^\"\n]*\"|'[^'\n]*'", " ", MAKEFILE)
    lines = [line[1:].lstrip("@") for line in plain.splitlines() if line.startswith("\t")]
    parts = [part.split() for line in lines for part in re.split(r"[;|&{}]+", line)]
    words = {part[0] for part in parts if part and part[0].isalpha()}
    assert words - {"do", "done", "exit", "fi", "for", "if", "then", "uv"} == POSIX
