"""`resolve`: functions and classes of `ser_rt.benchmarks` that are loaded when they are used."""

from __future__ import annotations

from pkgutil import resolve_name
from typing import Any


def resolve(target: str) -> Any:
    """Return what is named as ``package.module:name`` inside `ser_rt.benchmarks`."""
    return resolve_name(f"ser_rt.benchmarks.{target}")
