"""Results as JSON documents, which docs/benchmarks.md describes."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ser_rt.benchmarks.measure.machine import short_name, stamp
from ser_rt.errors import DataError
from ser_rt.files.writing import write_json

SCHEMA = "ser-bench 1"
COMMANDS = (
    *("latency", "throughput", "streams", "peers", "gpu", "gpu-session", "agreement", "quality"),
)
_FOLDERS = re.compile(r"(?<![\w.:/])(?:/[\w.+@-]+)+/(?=[\w.+@-])")


def document(flags: argparse.Namespace, **content: Any) -> dict[str, Any]:
    """Return a result with machine, versions, commit and date on it; folders' paths are cut off."""
    head = stamp()
    head["machine"]["name"] = flags.machine or short_name(head["machine"])
    settings = {key: value for key, value in vars(flags).items() if key not in ("json", "machine")}
    found = {"schema": SCHEMA, **head, "settings": settings, **content}
    plain: dict[str, Any] = without_folders(json.loads(json.dumps(found, default=str)))
    return {"schema": SCHEMA, "command": flags.command, **plain}


def without_folders(value: Any) -> Any:
    """Cut folders off absolute paths in all texts: where a file lay is nobody's business."""
    if isinstance(value, str):
        return _FOLDERS.sub("", value)
    if isinstance(value, list):
        return [without_folders(inner) for inner in value]
    if isinstance(value, dict):
        return {key: without_folders(inner) for key, inner in value.items()}
    return value


def write(documents: list[dict[str, Any]], path: Path | None) -> None:
    """Write documents, one alone or several as a list; nothing without a path."""
    if path is not None:
        write_json(documents[0] if len(documents) == 1 else documents, path)


def read(paths: Iterable[Path]) -> list[dict[str, Any]]:
    """Read results of ser-bench and of pytest-benchmark.

    Raises:
        DataError: a file is neither.
    """
    found = []
    for path in paths:
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            msg = f"cannot read {path}: {error}"
            raise DataError(msg) from error
        for one in content if isinstance(content, list) else [content]:
            if not _is_known(one):
                msg = f"{path} is no result: give what --json or --benchmark-json has written"
                raise DataError(msg)
            found.append(one)
    return found


def is_suite(document: dict[str, Any]) -> bool:
    """Return whether a document came from pytest-benchmark."""
    return "benchmarks" in document


def _is_known(one: object) -> bool:
    if not isinstance(one, dict):
        return False
    if is_suite(one):
        return "ser_rt" in one.get("machine_info", {})
    return one.get("schema") == SCHEMA and one.get("command") in COMMANDS
