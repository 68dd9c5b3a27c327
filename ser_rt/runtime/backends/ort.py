"""The import of onnxruntime, the one place that loads it."""

from __future__ import annotations

from typing import Any

from ser_rt.errors import requires


def onnxruntime() -> Any:
    """Return the module `onnxruntime`.

    Raises:
        MissingDependencyError: It is not installed, or does not load.
    """
    with requires("onnxruntime", "cpu", "gpu"):
        import onnxruntime as module
    return module
