"""Every command answers --help at once, without loading a network."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.source_tree import ROOT
from tests.test_packaging import PROJECT
from tests.test_walls import HEAVY

HELP_BUDGET_S = 0.300

CODE = """
import sys, time
began = time.perf_counter()
from {module} import {function}
try:
    {function}(["--help"])
except SystemExit as stop:
    loaded = [name for name in {heavy!r} if name in sys.modules]
    print(stop.code, time.perf_counter() - began, *loaded, file=sys.stderr)
"""


@pytest.mark.parametrize("script", PROJECT["scripts"])
def test_help_is_quick_and_light(script: str) -> None:
    module, function = PROJECT["scripts"][script].split(":")
    code = CODE.format(module=module, function=function, heavy=HEAVY)
    took_s = []
    for _ in range(10):
        done = subprocess.run(
            [sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=ROOT
        )
        exit_code, seconds, *loaded = done.stderr.split()
        assert exit_code == "0"
        assert loaded == []
        assert done.stdout.startswith("usage: ")
        took_s.append(float(seconds))
        if took_s[-1] < HELP_BUDGET_S:
            return
    pytest.fail(f"{script} --help took {min(took_s):.3f} s at best, over {HELP_BUDGET_S} s")
