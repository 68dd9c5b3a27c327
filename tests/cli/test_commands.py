"""Every command answers --help without loading what only its work needs."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.source_tree import ROOT
from tests.test_packaging import PROJECT
from tests.test_walls import HEAVY

LIBRARIES = {"ser-predict", "ser-evaluate", "ser-tune"}
"""Commands of modules that are libraries first, and need numpy when they are imported."""

CODE = """
import sys
from {module} import {function}
try:
    {function}(["--help"])
except SystemExit as stop:
    loaded = [name for name in {heavy!r} if name in sys.modules]
    print(stop.code, *loaded, file=sys.stderr)
"""


@pytest.mark.parametrize("script", PROJECT["scripts"])
def test_help_is_light(script: str) -> None:
    module, function = PROJECT["scripts"][script].split(":")
    heavy = (*HEAVY, "onnxruntime") if script in LIBRARIES else (*HEAVY, "onnxruntime", "numpy")
    code = CODE.format(module=module, function=function, heavy=heavy)
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=ROOT
    )
    assert done.stderr.split() == ["0"], "exit code, and what was loaded"
    assert done.stdout.startswith("usage: ")
    defaults = ("(None)", "(())", "()", "('')", "==SUPPRESS==")
    assert not [text for text in defaults if text in done.stdout], "no default to show"
