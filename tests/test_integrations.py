"""The plugins of integrations/: packages of their own, whose tests run with the frameworks."""

from __future__ import annotations

import os
import subprocess
import tomllib
from typing import Any

import pytest
from packaging.requirements import Requirement

import ser_rt
from tests.support.source_tree import ROOT

PLUGINS = {"livekit": "livekit-agents", "pipecat": "pipecat-ai"}
PYTHON = ROOT / ".venv/integrations/bin/python"


def run(name: str, *options: str) -> None:
    """Run the tests of a plugin in the environment that has its framework."""
    if not PYTHON.exists():
        pytest.skip("LiveKit Agents and pipecat are not installed: make integrations")
    command = [
        str(PYTHON),
        "-m",
        "pytest",
        "-q",
        "--show-capture=no",
        str(ROOT / "integrations" / name),
        *options,
    ]
    env = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")}
    env["OMP_NUM_THREADS"] = "1"
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=ROOT, env=env)
    assert done.returncode == 0, done.stdout[-5000:]


@pytest.mark.parametrize("name", PLUGINS)
def test_the_tests_of_a_plugin_pass(name: str) -> None:
    run(name)


@pytest.mark.slow
@pytest.mark.timeout(6000)
@pytest.mark.parametrize("name", PLUGINS)
def test_its_long_calls_pass(name: str) -> None:
    run(name, "-m", "slow")


@pytest.mark.parametrize(("name", "framework"), PLUGINS.items())
def test_it_declares_a_range_of_its_framework_and_this_ser_rt(name: str, framework: str) -> None:
    text = (ROOT / "integrations" / name / "pyproject.toml").read_text(encoding="utf-8")
    project: dict[str, Any] = tomllib.loads(text)["project"]
    assert project["license"] == "MIT"
    needs = {need.name: need.specifier for need in map(Requirement, project["dependencies"])}
    assert ser_rt.__version__ in needs["ser-rt"]
    assert {part.operator for part in needs[framework]} == {">=", "<"}
    pins = (ROOT / "integrations/constraints.txt").read_text(encoding="utf-8")
    pinned = next(p for p in pins.splitlines() if p.startswith(f"{framework}=="))
    assert pinned.partition("==")[2] in needs[framework]
