"""Every command answers --help at once, without loading a network."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.source_tree import ROOT
from tests.test_packaging import PROJECT
from tests.test_walls import HEAVY

HELP_BUDGET_S = 0.300
"""Of the processor's time, which is the same on a busy machine, or nearly."""

LIBRARIES = {"ser-predict", "ser-evaluate"}
"""Commands of modules that are libraries first, and need numpy when they are imported."""

CODE = """
import sys, time
began = time.process_time()
from {module} import {function}
try:
    {function}(["--help"])
except SystemExit as stop:
    loaded = [name for name in {heavy!r} if name in sys.modules]
    print(stop.code, time.process_time() - began, *loaded, file=sys.stderr)
"""


@pytest.mark.parametrize("script", PROJECT["scripts"])
def test_help_is_quick_and_light(script: str) -> None:
    module, function = PROJECT["scripts"][script].split(":")
    heavy = (*HEAVY, "onnxruntime") if script in LIBRARIES else (*HEAVY, "onnxruntime", "numpy")
    code = CODE.format(module=module, function=function, heavy=heavy)
    took_s = []
    for _ in range(3):
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
