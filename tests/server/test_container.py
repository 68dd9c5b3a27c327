"""The Dockerfile, as far as it can be read without an engine to build it."""

from __future__ import annotations

import importlib
import json
import re

from tests.support.source_tree import ROOT
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


def test_it_runs_the_server_without_rights_and_asks_after_its_health() -> None:
    names = [name for name, _ in STEPS]
    assert names.index("USER") < names.index("ENTRYPOINT")
    assert of("USER") == ["10001"]
    command = json.loads(of("ENTRYPOINT")[0])
    assert command[0] in PROJECT["scripts"]
    *_, module = json.loads(of("HEALTHCHECK")[0].partition("CMD ")[2])
    assert callable(importlib.import_module(module).main)
    extras = re.findall(r"'\.\[([\w,]+)\]'", " ".join(of("RUN")))[0].split(",")
    assert set(extras) <= PROJECT["optional-dependencies"].keys()
