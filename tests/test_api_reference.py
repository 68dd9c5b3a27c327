"""The API reference names modules that exist, and builds without a warning."""

from __future__ import annotations

import importlib.util
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.source_tree import ROOT

pytest.importorskip("pdoc", reason="needs the docs extra")

SCRIPT = ROOT / "docs" / "api.py"
MODULES: tuple[str, ...] = runpy.run_path(str(SCRIPT))["MODULES"]


@pytest.mark.parametrize("name", MODULES)
def test_a_module_of_the_reference_exists(name: str) -> None:
    assert importlib.util.find_spec(name)


@pytest.mark.slow
def test_the_reference_builds(tmp_path: Path) -> None:
    subprocess.run([sys.executable, str(SCRIPT), str(tmp_path)], check=True, cwd=ROOT)
    page = (tmp_path / "ser_rt.html").read_text(encoding="utf-8")
    assert "open_stream" in page
    assert all((tmp_path / f"{name.replace('.', '/')}.html").is_file() for name in MODULES)
