"""`resolve`: functions and classes of `ser_rt.benchmarks` that are loaded when they are used."""

from __future__ import annotations

from importlib import import_module
from typing import Any


def resolve(target: str) -> Any:
    """Return what is named as ``package.module:name`` inside `ser_rt.benchmarks`."""
    module, name = target.split(":")
    return getattr(import_module(f"ser_rt.benchmarks.{module}"), name)
