"""The wheel, in an environment that holds nothing but it and what it declares to need."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name

import ser_rt
from tests.support.source_tree import FOLDERS, ROOT, files, modules
from tests.test_packaging import PROJECT

NON_COMMERCIAL = "ser_rt/bundles/LICENSE.CC-BY-NC-SA-4.0"
SOURCES = ("pyproject.toml", "README.md", "LICENSE", "ser_rt", "export", "benchmarks")
BUILD = "import sys; from setuptools.build_meta import build_wheel; build_wheel(sys.argv[1])"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build it from a copy, so that nothing is written here."""
    copy, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in SOURCES:
        if (ROOT / name).is_dir():
            skipped = shutil.ignore_patterns("__pycache__", "results")
            shutil.copytree(ROOT / name, copy / name, ignore=skipped)
        else:
            shutil.copy(ROOT / name, copy)
    subprocess.run([sys.executable, "-c", BUILD, out], check=True, capture_output=True, cwd=copy)
    (built,) = out.glob("*.whl")
    return built


def test_it_holds_every_module_and_every_file_beside_them(wheel: Path) -> None:
    held = set(zipfile.ZipFile(wheel).namelist())
    wanted = {str(path.relative_to(ROOT)) for path in files("ser_rt")}
    # These make the sample; a user has it.
    wanted -= {name for name in wanted if name.startswith("ser_rt/samples/") and "." in name[-3:]}
    outside = modules("export", "benchmarks").values()
    wanted |= {f"ser_rt/{path.relative_to(ROOT)}" for path in outside}
    assert wanted <= held
    licences = {name.partition("dist-info/licenses/")[2] for name in held}
    parts = {f"ser_rt/runtime/{part}/LICENSE" for part in ("vad", "speakers")}
    assert {"LICENSE", NON_COMMERCIAL, *parts} <= licences
    assert NON_COMMERCIAL in held, "beside the weights, too"


def test_an_sdist_holds_what_the_tests_need(tmp_path: Path) -> None:
    copy, out = tmp_path / "source", tmp_path / "out"
    out.mkdir()
    wanted = {path.relative_to(ROOT) for path in files()}
    wanted |= {path.relative_to(ROOT) for path in files(*FOLDERS, "npm", "examples", "deploy")}
    heavy = {path for path in wanted if path.parts[:2] == ("ser_rt", "bundles")}
    for path in wanted:
        (copy / path).parent.mkdir(parents=True, exist_ok=True)
        if path in heavy:
            (copy / path).touch()  # the names will do
        else:
            shutil.copy(ROOT / path, copy / path)
    code = "import sys; from setuptools.build_meta import build_sdist; build_sdist(sys.argv[1])"
    subprocess.run([sys.executable, "-c", code, out], check=True, capture_output=True, cwd=copy)
    (built,) = out.glob("*.tar.gz")
    with tarfile.open(built) as archive:
        held = {Path(*Path(name).parts[1:]) for name in archive.getnames()}
    assert wanted - held == set()


def needed(extra: str) -> set[NormalizedName]:
    """Return what the project with an extra needs, and what that needs."""
    found, waiting = set[NormalizedName](), [f"ser-rt[{extra}]"]
    while waiting:
        wanted = Requirement(waiting.pop())
        for need in map(Requirement, distribution(wanted.name).requires or ()):
            where = [{"extra": name} for name in wanted.extras or {""}]
            if need.marker is None or any(map(need.marker.evaluate, where)):
                if canonicalize_name(need.name) not in found:
                    waiting.append(str(need).partition(";")[0])
                found.add(canonicalize_name(need.name))
    return found


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment with the wheel, and links to what it needs."""
    folder = tmp_path_factory.mktemp("environment")
    found = folder / "bin/python"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    install = ["install", "--quiet", "--no-index", "--no-deps", str(wheel)]
    subprocess.run([sys.executable, "-m", "pip", "--python", found, *install], check=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    for name in needed("cpu"):
        distributed = distribution(name)
        for top in {file.parts[0] for file in distributed.files or ()} - {"..", "__pycache__"}:
            (packages / top).symlink_to(Path(str(distributed.locate_file(top))))
    return found


def run(python: Path, folder: Path, *arguments: str | Path) -> str:
    """Run something of the environment in a folder that knows nothing of this one."""
    env = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    command = [python.with_name("python"), *arguments]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=folder, env=env)
    return done.stdout


def test_it_streams_the_sample_with_nothing_but_what_it_declares(
    python: Path, tmp_path: Path
) -> None:
    code = "import ser_rt; print(ser_rt.__version__, ser_rt.__file__, ser_rt.sample_path())"
    version, where, sample = run(python, tmp_path, "-c", code).split()
    assert version == ser_rt.__version__
    assert Path(where).is_relative_to(python.parents[1])
    assert Path(sample).is_relative_to(python.parents[1])
    stream = python.with_name("ser-stream")
    lines = run(python, tmp_path, stream, sample, "--format", "jsonl").splitlines()
    here = [event.type for event in ser_rt.stream(sample)]
    assert [json.loads(line)["type"] for line in lines] == [*here, "summary"]
    assert {"emotion", "no_speech"} <= set(here)


def test_every_command_is_installed(python: Path) -> None:
    assert PROJECT["scripts"].keys() <= {path.name for path in python.parent.iterdir()}
