"""PyInstaller bundles every file of the package, and every module that is loaded by name."""

from __future__ import annotations

import json
import re
import runpy
import subprocess
import sys
from importlib.metadata import EntryPoint
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

import ser_rt
from ser_rt._pyinstaller import get_hook_dirs
from ser_rt.audio.sources import SOURCES
from ser_rt.batch.engines import ENGINES
from ser_rt.runtime.backends.plugins import RTX, WEBGPU
from tests.support.source_tree import ROOT, files
from tests.test_packaging import PROJECT, PYPROJECT

HOOKS = {path.stem.removeprefix("hook-"): path for path in Path(get_hook_dirs()[0]).glob("hook-*")}

LOADING = re.compile(r"(import_module|resolve_name)\(")

APP = """
import json
import sys
import ser_rt
from importlib import import_module
from ser_rt.runtime.backends.plugins import RTX, WEBGPU
from ser_rt.audio.sources import SOURCES

for target in SOURCES.values():
    import_module(target.partition(":")[0])
print(json.dumps([event.to_dict(timing=False) for event in ser_rt.stream(ser_rt.sample_path())]))
print([name for name in ("torch", "ray", "starlette") if name in sys.modules])
"""


def run(name: str) -> dict[str, Any]:
    """Run a hook as PyInstaller does."""
    pytest.importorskip("PyInstaller", reason="needs PyInstaller: pip install pyinstaller")
    return runpy.run_path(str(HOOKS[name]))


def test_the_hooks_are_found() -> None:
    entry = EntryPoint("hook-dirs", PROJECT["entry-points"]["pyinstaller40"]["hook-dirs"], "")
    assert entry.load() is get_hook_dirs
    for name in HOOKS:
        assert find_spec(name) is not None, f"{name}, which a hook is named after"


def test_every_file_of_the_package_is_taken_along() -> None:
    package = Path(ser_rt.__file__).parent
    taken = {Path(source) for source, _ in run("ser_rt")["datas"]}
    patterns = PYPROJECT["tool"]["setuptools"]["package-data"]["ser_rt"]
    declared = {path for pattern in patterns for path in package.glob(pattern) if path.is_file()}
    declared |= {path for path in files("ser_rt") if path.suffix != ".py"}
    assert {path for path in declared if path.suffix != ".py"} <= taken
    for source, folder in run("ser_rt")["datas"]:
        assert Path("ser_rt") / Path(source).relative_to(package).parent == Path(folder)


@pytest.mark.parametrize(
    ("hook", "targets"),
    [
        ("ser_rt", ser_rt._HOME.values()),
        ("ser_rt.audio.sources", SOURCES.values()),
        ("ser_rt.batch.engines", ENGINES.values()),
        ("ser_rt.runtime.backends.plugins", [RTX.module, WEBGPU.module]),
    ],
)
def test_what_is_loaded_by_name_is_taken_along(hook: str, targets: list[str]) -> None:
    assert set(run(hook)["hiddenimports"]) == {target.split(":")[0] for target in targets}


def test_whoever_loads_by_name_has_a_hook() -> None:
    loaders = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in files("ser_rt")
        if path.suffix == ".py" and LOADING.search(path.read_text(encoding="utf-8"))
    }
    assert loaders == set(HOOKS)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_an_application_runs_without_python(tmp_path: Path) -> None:
    pytest.importorskip("PyInstaller", reason="needs PyInstaller: pip install pyinstaller")
    (tmp_path / "app.py").write_text(APP, encoding="utf-8")
    # It does not see packages that are installed for editing.
    command = [sys.executable, "-m", "PyInstaller", "--log-level=ERROR", "--paths", str(ROOT)]
    # What the tests' environment has, and one for an application has not.
    for module in ("torch", "transformers", "ray", "IPython", "matplotlib", "pandas", "scipy"):
        command += ["--exclude-module", module]
    for module in ("sklearn", "sympy", "numba", "librosa", "tensorflow", "onnx"):
        command += ["--exclude-module", module]
    subprocess.run([*command, "app.py"], check=True, cwd=tmp_path)
    frozen = subprocess.run(
        ["env", "-i", tmp_path / "dist/app/app"], check=False, capture_output=True, cwd="/"
    )
    assert frozen.returncode == 0, frozen.stderr.decode()
    events, loaded = frozen.stdout.decode().splitlines()
    wanted = [event.to_dict(timing=False) for event in ser_rt.stream(ser_rt.sample_path())]
    assert json.loads(events) == json.loads(json.dumps(wanted))
    assert loaded == "[]"
