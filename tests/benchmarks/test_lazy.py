"""Every target that the benchmarks load by name exists."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from ser_rt.benchmarks.lazy import resolve
from ser_rt.benchmarks.measure.capacity import search
from tests.support.source_tree import files

TARGET = re.compile(r"\w+\.\w+:\w+")


def targets() -> Iterator[str]:
    for path in files("benchmarks"):
        tree = ast.parse(path.read_text(encoding="utf-8") if path.suffix == ".py" else "")
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and TARGET.fullmatch(str(node.value)):
                yield str(node.value)


@pytest.mark.parametrize("target", sorted(set(targets())))
def test_a_target_is_there(target: str) -> None:
    module, name = target.split(":")
    spec = find_spec(f"ser_rt.benchmarks.{module}")
    assert spec is not None, module
    tree = ast.parse(Path(str(spec.origin)).read_text(encoding="utf-8"))
    assert name in {getattr(node, "name", "") for node in tree.body}


def test_a_target_is_loaded() -> None:
    assert resolve("measure.capacity:search") is search
