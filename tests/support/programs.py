"""The programs of the system that tests may start, and the reasons to skip without them."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

PYTHON = "python"

EVERYWHERE = {"env", "ldd", "mount", "sh", "umount"}
"""On every machine that can run the tests."""

PACKAGES = {
    "bash": "bash",
    "chromium": "chromium",
    "docker": "docker.io",
    "fish": "fish",
    "man": "man-db",
    "node": "nodejs",
    "openssl": "openssl",
    "pactl": "pulseaudio-utils",
    "paplay": "pulseaudio-utils",
    "pulseaudio": "pulseaudio",
    "systemd-analyze": "systemd",
    "xz": "xz-utils",
    "zsh": "zsh",
}
"""Programs that a machine may lack, and the Debian package of each for `.ci/run`."""

OF_SLOW_TESTS = {"docker"}
"""Those that continuous integration need not have: it does not run slow tests."""

MADE = {"tritonserver": "make triton"}
"""Programs that the Makefile installs."""

PROBES = {
    "fc-list": "matplotlib looks for fonts",
    "file": "pytest-benchmark describes the machine",
    "gcc": "ctypes looks for a library",
    "git": "ser-rt writes down what trained a model",
    "ld": "ctypes looks for a library",
    "ldconfig": "ctypes looks for a library",
    "lscpu": "joblib counts cores",
    "nvidia-smi": "ser-rt writes down the graphics card",
    "uname": "pytest-benchmark describes the machine",
}
"""Programs that the product or a library starts, and does as well without."""


def missing(*programs: str) -> str | None:
    """Return what to install for these programs, or None if they are all here."""
    absent = [name for name in programs if shutil.which(name) is None]
    if not absent:
        return None
    packages = sorted({PACKAGES[name] for name in absent})
    return f"needs {', '.join(absent)}: apt install {' '.join(packages)}"


def needs(*programs: str) -> pytest.MarkDecorator:
    """Mark a test that is skipped without these programs."""
    why = missing(*programs)
    return pytest.mark.skipif(why is not None, reason=why or "all are here")


def refuse_others() -> None:
    """Let nothing in this process start a program of the system that is not named here."""
    named = {PYTHON, *EVERYWHERE, *PACKAGES, *MADE, *PROBES}

    def hook(event: str, details: tuple[Any, ...]) -> None:
        if event in ("subprocess.Popen", "os.posix_spawn"):
            executable, arguments = details[:2]
            path = _text(executable or arguments if isinstance(arguments, str) else arguments[0])
            is_own = path.startswith((sys.prefix, sys.base_prefix))
            if not is_own and Path(path).name not in named:
                pytest.fail(
                    f"{path} is started: name it in tests/support/programs.py, and skip without it"
                )
        elif event == "os.system":
            pytest.fail(f"a shell is started: {_text(details[0])}")

    sys.addaudithook(hook)


def _text(path: object) -> str:
    return path.decode() if isinstance(path, bytes) else str(path)
