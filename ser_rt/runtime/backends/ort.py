"""The import of onnxruntime, the one place that loads it."""

from __future__ import annotations

from typing import Any

from ser_rt.errors import MissingDependencyError


def onnxruntime() -> Any:
    """Return the module onnxruntime.

    Raises:
        MissingDependencyError: It is not installed, or does not load.
    """
    try:
        import onnxruntime as module
    except ImportError as error:
        msg = f"onnxruntime does not load ({error}): pip install 'ser-rt[cpu]' or 'ser-rt[gpu]'"
        raise MissingDependencyError(msg) from error
    return module
