"""The import of onnxruntime, the one place that loads it and opens small networks."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import Any

from ser_rt.errors import BundleInvalidError, requires


def onnxruntime() -> Any:
    """Return the module `onnxruntime`.

    Raises:
        MissingDependencyError: It is not installed, or does not load.
    """
    with requires("onnxruntime", "cpu", "gpu"):
        import onnxruntime as module
    return module


@cache
def shipped_session(path: Path, sha256: str, without: str) -> Any:
    """Return the session, on one thread, of a network that the package ships; all callers share it.

    Args:
        path: of its file.
        sha256: of the file's content.
        without: what to do without the network, for the error.

    Raises:
        BundleInvalidError: The file is not the one that was shipped.
        MissingDependencyError: onnxruntime is not installed.
    """
    content = path.read_bytes() if path.exists() else b""
    if hashlib.sha256(content).hexdigest() != sha256:
        msg = f"{path} is missing or damaged; reinstall ser-rt, or {without}"
        raise BundleInvalidError(msg)
    ort = onnxruntime()
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    return ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])
