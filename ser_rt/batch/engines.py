"""Engines of a batch: one module each, one entry each in `ENGINES`."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pkgutil import resolve_name
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ser_rt.batch.classify_file import BatchConfig, FileResult
    from ser_rt.batch.discovery import Item

ENGINES = {"local": "ser_rt.batch.local:classify_all", "ray": "ser_rt.batch.on_ray:classify_all"}
"""Generator functions of results, in any order; imported when used."""


@dataclass(frozen=True)
class Resources:
    """The resources of a run.

    Attributes:
        workers: How many processes or actors; None for what there is.
        address: Of a Ray cluster; None to start one on this machine.
    """

    workers: int | None = None
    address: str | None = None


Engine = Callable[
    ["Sequence[Item]", "BatchConfig", tuple[str, ...], Resources],
    "Generator[FileResult, None, None]",
]


def find_engine(name: str) -> Engine:
    """Load the engine of that name."""
    engine: Engine = resolve_name(ENGINES[name])
    return engine
