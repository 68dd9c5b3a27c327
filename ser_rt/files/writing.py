"""Files written whole or not at all, and JSON."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from ser_rt.errors import OutputError
from ser_rt.files.names import printable
from ser_rt.files.outputs import STANDARD_OUTPUT, is_special


def write_bytes(path: str | Path, content: bytes) -> Path:
    """Write a file whole or not at all, making its folder; ``-`` is standard output.

    A link is followed. What is no file, such as a pipe or a device, is written to as it is.

    Raises:
        OutputError: it cannot be written; what was there before is still there.
    """
    if str(path) == STANDARD_OUTPUT:
        _print(content)
        return Path(path)
    target = Path(path)
    if is_special(target):
        try:
            with target.open("ab") as file:
                file.write(content)
        except OSError as error:
            raise _unwritten(target, error) from error
        return target
    target = Path(os.path.realpath(target)) if target.is_symlink() else target
    partial = target.with_name(f".{target.name[:40]}.partial")  # a name may have 255 bytes
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(content)
        partial.replace(target)
    except OSError as error:
        with suppress(OSError):
            partial.unlink()
        raise _unwritten(target, error) from error
    return target


def _unwritten(target: Path, error: OSError) -> OutputError:
    return OutputError(f"cannot write {printable(target)}: {error.strerror}")


def _print(content: bytes) -> None:
    if not hasattr(sys.stdout, "buffer"):  # text in memory
        sys.stdout.write(content.decode("utf-8", "backslashreplace"))
        return
    sys.stdout.flush()
    sys.stdout.buffer.write(content)
    sys.stdout.buffer.flush()


def write_json(value: object, path: str | Path | None = None) -> None:
    """Write JSON to a file, or print it; NaN and infinity, which JSON has not, become null.

    Raises:
        OutputError: it cannot be written.
    """
    path = STANDARD_OUTPUT if path is None else path
    encoding = "utf-8" if str(path) != STANDARD_OUTPUT else sys.stdout.encoding or "utf-8"
    plain = encoding.lower() not in {"utf-8", "utf8"}
    text = json.dumps(_finite(value), indent=2, ensure_ascii=plain, allow_nan=False)
    # Text of a caller may hold lone surrogates: JSON can carry them only escaped.
    write_bytes(path, text.encode("utf-8", "backslashreplace") + b"\n")


def _finite(value: object) -> object:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return value
