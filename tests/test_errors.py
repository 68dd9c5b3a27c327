"""Errors of optional dependencies."""

from __future__ import annotations

import importlib

import pytest

from ser_rt.errors import MissingDependencyError, requires


@pytest.mark.parametrize(
    ("extras", "words"),
    [
        (("space",), r"pip install 'ser-rt\[space\]'$"),
        (("cpu", "gpu"), r"pip install 'ser-rt\[cpu\]' or 'ser-rt\[gpu\]'$"),
        ((), "pip install moon$"),
    ],
)
def test_a_missing_dependency_names_what_to_install(extras: tuple[str, ...], words: str) -> None:
    with pytest.raises(MissingDependencyError, match=words) as caught, requires("moon", *extras):
        importlib.import_module("moon")
    assert isinstance(caught.value, ImportError)


def test_an_inner_requirement_keeps_its_message() -> None:
    with (
        pytest.raises(MissingDependencyError, match=r"\[inner\]"),
        requires("outer", "outer"),
        requires("moon", "inner"),
    ):
        importlib.import_module("moon")


def test_other_errors_pass() -> None:
    with pytest.raises(ValueError, match="other"), requires("moon"):
        raise ValueError("other")  # noqa: EM101 (a test)
