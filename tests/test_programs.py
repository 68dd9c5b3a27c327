"""No test depends on a program that nobody declared: the source is searched for what it starts."""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.programs import EVERYWHERE, MADE, PACKAGES, PYTHON
from tests.support.source_tree import ROOT, files

STARTERS = {
    *("subprocess.run", "subprocess.Popen", "subprocess.call", "subprocess.check_call"),
    *("subprocess.check_output", "subprocess.getoutput", "subprocess.getstatusoutput"),
    *("asyncio.create_subprocess_exec", "asyncio.create_subprocess_shell"),
    *("os.system", "os.popen", "pty.spawn", "shutil.which"),
}
GUARDS = {"missing", "needs"}
MODULES = {
    str(path.relative_to(ROOT)): ast.parse(path.read_text(encoding="utf-8"))
    for path in files("tests")
    if path.suffix == ".py"
}
CI, MAKEFILE = ((ROOT / name).read_text(encoding="utf-8") for name in (".ci/run", "Makefile"))
POSIX = {"awk", "cd", "echo", "ln", "mkdir", "rm", "test", "touch"}
"""Commands of the Makefile that every system has; `make test-lowest` wants uv besides."""


def started(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield line and name of each program that a module starts or looks for; "?" if unknown."""
    for call in calls(tree):
        if ast.unparse(call.func) in STARTERS:
            for name in programs(call.args[0], tree):
                yield call.lineno, name


def guarded(tree: ast.Module) -> set[str]:
    """Return the programs without which something in a module is skipped."""
    found = set()
    for call in calls(tree):
        if ast.unparse(call.func) in GUARDS:
            for argument in call.args:
                inner = argument.value if isinstance(argument, ast.Starred) else argument
                found |= either(elements(inner, tree), tree)
    return found


def calls(tree: ast.AST) -> Iterator[ast.Call]:
    yield from (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def programs(node: ast.expr, tree: ast.Module) -> set[str]:
    """Return the programs that a command may begin with; "?" where the module does not show it."""
    match node:
        case ast.Constant(value=str(text)):
            return {Path(text.split()[0]).name}
        case ast.Attribute(value=ast.Name(id="sys"), attr="executable"):
            return {PYTHON}
        case (
            ast.List(elts=[inner, *_])
            | ast.Tuple(elts=[inner, *_])
            | ast.Starred(value=inner)
            | ast.BinOp(left=inner, op=ast.Add())
            | ast.BinOp(op=ast.Div(), right=inner)
            | ast.Call(func=ast.Name(id="str" | "map"), args=[*_, inner])
            | ast.Call(func=ast.Attribute(attr="which" | "split" | "with_name"), args=[inner, *_])
        ):
            return programs(inner, tree)
        case ast.Call(func=ast.Name(id=name)):
            return either(returns(name, tree), tree)
        case ast.Name(id=name):
            return either(values(name, tree), tree)
    return {"?"}


def either(nodes: list[ast.expr], tree: ast.Module) -> set[str]:
    return set().union(*(programs(node, tree) for node in nodes)) if nodes else {"?"}


def returns(name: str, tree: ast.Module) -> list[ast.expr]:
    """Return what a function of the module returns."""
    functions = (n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and n.name == name)
    inside = (node for function in functions for node in ast.walk(function))
    return [node.value for node in inside if isinstance(node, ast.Return) and node.value]


def values(name: str, tree: ast.Module) -> list[ast.expr]:
    """Return what a name stands for in the module: what is assigned to it, or given for it."""
    found: list[ast.expr] = []
    for node in ast.walk(tree):
        match node:
            case ast.Assign(targets=[ast.Name(id=target)], value=value) if target == name:
                found.append(value)
            case ast.AnnAssign(target=ast.Name(id=target), value=ast.expr() as value) if (
                target == name
            ):
                found.append(value)
            case ast.comprehension(target=ast.Name(id=target), iter=value) if target == name:
                found += [*elements(value, tree)]
            case ast.FunctionDef(name=function, args=ast.arguments(args=arguments)):
                places = [place for place, one in enumerate(arguments) if one.arg == name]
                found += [
                    call.args[place]
                    for place in places
                    for call in calls(tree)
                    if isinstance(call.func, ast.Name) and call.func.id == function
                    if place < len(call.args)
                ]
    return found


def elements(node: ast.expr, tree: ast.Module) -> list[ast.expr]:
    match node:
        case ast.List(elts=every) | ast.Tuple(elts=every) | ast.Set(elts=every):
            return every
        case ast.Name(id=name):
            return [one for value in values(name, tree) for one in elements(value, tree)]
        case _:
            return [node]


@pytest.mark.parametrize("module", sorted(MODULES.keys() - {"tests/support/programs.py"}))
def test_every_program_is_everywhere_or_what_needs_it_is_skipped(module: str) -> None:
    tree = MODULES[module]
    for line, name in started(tree):
        where = f"{module}:{line}"
        assert name != "?", f"{where} does not show what it starts: begin the command with a name"
        if name not in {PYTHON, *EVERYWHERE, *MADE}:
            assert name in PACKAGES, f"{where} starts {name}: name it in tests/support/programs.py"
            assert name in guarded(tree), f"{where} starts {name}: skip without it, by `needs`"


def test_every_program_that_is_declared_is_used() -> None:
    used = {name for tree in MODULES.values() for _, name in started(tree)}
    used |= {name for tree in MODULES.values() for name in guarded(tree)}
    assert used - {PYTHON, "?"} == {*EVERYWHERE, *MADE, *PACKAGES}


@pytest.mark.parametrize("program", PACKAGES)
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
