"""The Dockerfile, as far as it can be read without an engine to build it."""

from __future__ import annotations

import importlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.programs import missing
from tests.support.source_tree import ROOT
from tests.support.waiting import wait_until
from tests.test_packaging import PROJECT

TEXT = (ROOT / "Dockerfile").read_text(encoding="utf-8")
STEPS = re.findall(r"^([A-Z]+) ((?:.*\\\n)*.*)$", TEXT, re.MULTILINE)


def of(kind: str) -> list[str]:
    return [rest for name, rest in STEPS if name == kind]


def test_it_copies_what_is_there() -> None:
    allowed = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    for sources in (step.split()[:-1] for step in of("COPY") if not step.startswith("--from")):
        for source in sources:
            assert (ROOT / source).exists(), source
            assert f"!{source}" in allowed, source


def test_dependencies_come_before_sources_and_are_those_of_the_project() -> None:
    first = of("COPY")[0].split()[:-1]
    assert first == ["pyproject.toml", "constraints.txt"]
    code = re.findall(r'python -c "(.+?)" >', TEXT)[0].replace("\\n", "\n")
    done = subprocess.run(
        [sys.executable, "-c", code.replace("\n", "\\n")],
        check=True,
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    extras = PROJECT["optional-dependencies"]
    wanted = {*PROJECT["dependencies"], *extras["cpu"], *extras["server"]}
    wanted |= {*extras["client"], *extras["media"]}
    assert set(done.stdout.splitlines()) == {w for w in wanted if not w.startswith("ser-rt[")}


def test_it_holds_no_benchmarks_and_says_what_it_is() -> None:
    run = of("RUN")[-2]
    assert "ser_rt/benchmarks" in run
    assert "bin/ser-bench" in run
    assert "org.opencontainers.image.licenses" in of("LABEL")[0]


def engine() -> str | None:
    """Why there is no container engine; None if there is one."""
    if (why := missing("docker")) is not None:
        return why
    done = subprocess.run(["docker", "version"], check=False, capture_output=True, text=True)
    return None if done.returncode == 0 else f"docker has no engine: {done.stderr.strip()[:80]}"


@pytest.mark.slow
def test_the_image_is_built_and_serves(tmp_path: Path) -> None:
    if (why := engine()) is not None:
        pytest.skip(why)
    tag = "ser-rt:test"
    subprocess.run(["docker", "build", "-q", "-t", tag, str(ROOT)], check=True, timeout=1800)
    keys = tmp_path / "keys"
    keys.write_text("a-key-of-sixteen-letters")
    keys.chmod(0o600)
    run = ["docker", "run", "--rm", "-d", "--read-only", "--tmpfs", "/tmp"]  # noqa: S108 (in the container)
    run += ["--user", str(os.getuid()), "-e", "SER_SERVE_PORT=8000", "-v", f"{keys}:/keys:ro"]
    run += [tag, "--api-key-file", "/keys"]
    name = subprocess.run(run, check=True, capture_output=True, text=True).stdout.strip()
    try:
        ask = ["docker", "exec", name, "python", "-m", "ser_rt.server.healthcheck"]
        wait_until(lambda: subprocess.run(ask, check=False, capture_output=True).returncode == 0)
    finally:
        subprocess.run(["docker", "kill", name], check=False, capture_output=True)


def test_it_runs_the_server_without_rights_and_asks_after_its_health() -> None:
    names = [name for name, _ in STEPS]
    assert names.index("USER") < names.index("ENTRYPOINT")
    assert of("USER") == ["10001"]
    command = json.loads(of("ENTRYPOINT")[0])
    assert command[0] in PROJECT["scripts"]
    *_, module = json.loads(of("HEALTHCHECK")[0].partition("CMD ")[2])
    assert callable(importlib.import_module(module).main)
    extras = re.findall(r"'ser-rt\[([\w,]+)\]'", " ".join(of("RUN")))[0].split(",")
    assert set(extras) <= PROJECT["optional-dependencies"].keys()
